package agent

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/uni-aims/aimsd/infer"
	"github.com/uni-aims/aimsd/infer/models"
	"github.com/uni-aims/aimsd/stream/decode"
)

// labelledCandidates is one line of the file that infer/training/scorer.py learns from.
type labelledCandidates struct {
	Image    string      `json:"image"`
	Names    []string    `json:"names"`
	Features [][]float32 `json:"features"` // [candidate][name]
	IoU      []float64   `json:"iou"`      // greatest intersection over union with a true object
}

// newCandidatesCommand is for those who train: it is not shown among the commands.
func newCandidatesCommand() *cobra.Command {
	var out, truth, model string
	c := &cobra.Command{
		Use:    "candidates -o FILE.jsonl --truth LABELDIR IMAGE...",
		Short:  "Write the candidates of labelled images, for training a scorer",
		Hidden: true,
		RunE: func(c *cobra.Command, args []string) error {
			inputs := listInputs(args, "")
			if len(inputs) == 0 || truth == "" {
				return usagef("candidates: name images and, with --truth, the folder of their label images")
			}
			labels, err := openLabelFolder("candidates: --truth", truth)
			if err != nil {
				return err
			}
			a, err := OpenAnalyser(c.Context(), InferConfig{Provider: "auto", Model: model})
			if err != nil {
				return err
			}
			defer a.Close()
			f, err := os.Create(out)
			if err != nil {
				return fmt.Errorf("create %s: %w", out, err)
			}
			w := bufio.NewWriter(f)
			for _, in := range inputs {
				if err := writeCandidates(c, a.Segmenter, json.NewEncoder(w), in, labels); err != nil {
					_ = f.Close()
					return err
				}
			}
			if err := firstError(w.Flush(), f.Close()); err != nil {
				return fmt.Errorf("write %s: %w", out, err)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "output", "o", "candidates.jsonl", "file to write")
	f.StringVar(&truth, "truth", "", "folder of label images named like the images")
	f.StringVar(&model, "model", models.DefaultName, "network: default, light, large, or an .onnx file")
	return c
}

func writeCandidates(c *cobra.Command, s *infer.Segmenter, to *json.Encoder, in input, truth *labelFolder) error {
	if in.err != nil {
		return in.err
	}
	frame, err := decode.File(c.Context(), in.path)
	if err != nil {
		return err
	}
	defer frame.Release()
	labels, w, h, _, err := truth.read(in.path)
	if err != nil {
		return err
	}
	if w != frame.Width || h != frame.Height {
		return fmt.Errorf("%s is %dx%d px but its labels are %dx%d: they must be of one size", in.path, frame.Width, frame.Height, w, h)
	}
	pool, _, err := s.Candidates(c.Context(), infer.Image{Width: w, Height: h, Stride: w, Gray8: frame.Gray8, Gray16: frame.Gray16})
	if err != nil {
		return fmt.Errorf("%s: %w", in.path, err)
	}
	line := labelledCandidates{Image: filepath.Base(in.path), Names: infer.FeatureNames(), IoU: pool.TrueIoU(labels), Features: [][]float32{}}
	line.Features = slices.AppendSeq(line.Features, slices.Chunk(pool.Features, len(line.Names)))
	if err := to.Encode(line); err != nil {
		return fmt.Errorf("%s: %w", in.path, err)
	}
	return nil
}
