package agent

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
)

func newMeasureCommand() *cobra.Command {
	var out, labels, image, scale, mode string
	c := &cobra.Command{
		Use:   "measure -o DIR --labels LABELS [--image IMAGE]",
		Short: "Measure a label image made elsewhere",
		Long: `Measure the objects of a label image (16 or 32-bit TIFF, PNG, PGM; 0 is background, every
other value one object) and write the same outputs as analyze. Ids are kept. The image, when
given, lends its pixel size, its data bar and the picture below the outlines.`,
		Example: `  aimsd measure -o out --labels grains.tif --image frame.tif
  aimsd measure -o out --labels mask.png --scale 12nm`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			policy, err := ParseScale(scale)
			if err != nil {
				return usageError{err}
			}
			if err := ValidMode(mode); err != nil {
				return usageError{err}
			}
			if labels == "" {
				return usagef("measure: --labels is missing; name a label image")
			}
			a := &Analyser{Scale: policy, ConfigHash: hashOf(scale, mode), Version: version()}
			b := batch{
				Analyser: a, Dir: out, Mode: mode, Stdout: c.OutOrStdout(), Stderr: c.ErrOrStderr(), Now: time.Now,
				Open: func(path string) (*stream.Frame, []int32, error) { return openLabels(c, path, image) },
			}
			return b.Run(c.Context(), []input{{path: labels}})
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "output", "o", outputDefault, "folder for the results")
	f.StringVar(&labels, "labels", "", "label image")
	f.StringVar(&image, "image", "", "image the labels belong to")
	f.StringVar(&scale, "scale", "auto", "pixel size: auto, none, or a number such as 2.5nm")
	f.StringVar(&mode, "mode", ModeParticles, "what the objects are: particles, grains, pores, fibres")
	return c
}

// openLabels reads a label image and the image it belongs to; without one the frame has no pixels.
func openLabels(c *cobra.Command, path, image string) (*stream.Frame, []int32, error) {
	labels, w, h, err := decode.Labels(path)
	if err != nil {
		return nil, nil, err
	}
	if image == "" {
		sum, err := fileSHA256(path)
		if err != nil {
			return nil, nil, err
		}
		return &stream.Frame{Path: path, Name: filepath.Base(path), Width: w, Height: h, SHA256: sum, ReceivedAt: time.Now()}, labels, nil
	}
	f, err := decode.File(c.Context(), image)
	if err != nil {
		return nil, nil, err
	}
	if f.Width != w || f.Height != h {
		f.Release()
		return nil, nil, fmt.Errorf("%s is %dx%d px but its image %s is %dx%d: give the image the labels were made from",
			path, w, h, image, f.Width, f.Height)
	}
	f.Name = filepath.Base(path)
	return f, labels, nil
}
