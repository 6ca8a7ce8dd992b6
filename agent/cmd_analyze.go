package agent

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/uni-aims/aimsd/infer"
	"github.com/uni-aims/aimsd/infer/models"
)

// outputDefault is where analyze writes when it is not told.
const outputDefault = "aims_out"

func newAnalyzeCommand() *cobra.Command {
	var out, scale, provider, mode, model, walk string
	var tile, shift int
	c := &cobra.Command{
		Use:   "analyze [flags] PATH...",
		Short: "Analyse image files and folders once",
		Long: `Analyse image files and folders (read recursively) in one run.

For every input it writes DIR/NAME/ with labels.tif, particles.csv, result.json and
overlay.png, and for all of them DIR/report.html, summary.csv and summary.json.
An input that fails is reported in one line and in the summary; the others are done,
and the exit status is 1.`,
		Example: `  aimsd analyze -o out sample.tif
  aimsd analyze -o out --scale 2.5nm /data/session-17`,
		RunE: func(c *cobra.Command, args []string) error {
			policy, err := ParseScale(scale)
			if err != nil {
				return usageError{err}
			}
			if err := firstError(ValidMode(mode), oneOf("provider", provider, "auto", "cpu", "cuda"),
				oneOf("dynamics", walk, DynamicsSquaring, DynamicsEuler), validTile(tile, shift)); err != nil {
				return usageError{err}
			}
			for _, path := range args {
				if absolute(path) == absolute(out) {
					return usagef("analyze: the input %s is the output folder; name another folder with -o", path)
				}
			}
			inputs := everyFrame(listInputs(args, out))
			if len(inputs) == 0 {
				return usagef("analyze: no images to analyse; name image files or folders that hold some")
			}
			a, err := OpenAnalyser(c.Context(), InferConfig{Provider: provider, Model: model, Dynamics: walk})
			if err != nil {
				return err
			}
			defer a.Close()
			a.Scale = policy
			a.ConfigHash = hashOf(scale, mode, model, walk, fmt.Sprint(tile), fmt.Sprint(shift))
			if tile > 0 {
				a.Segmenter.Tile = tile
			}
			a.Segmenter.Shift = shift
			b := batch{Analyser: a, Dir: out, Mode: mode, Stdout: c.OutOrStdout(), Stderr: c.ErrOrStderr(), Now: time.Now}
			return b.Run(c.Context(), inputs)
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "output", "o", outputDefault, "folder for the results")
	f.StringVar(&scale, "scale", "auto", "pixel size: auto, none, or a number such as 2.5nm")
	f.StringVar(&provider, "provider", "auto", "what runs the network: auto, cpu, cuda")
	f.StringVar(&mode, "mode", ModeParticles, "what the objects are: particles, grains, pores, fibres")
	f.StringVar(&model, "model", models.DefaultName, "network: default, light, large, or an .onnx file")
	f.StringVar(&walk, "dynamics", DynamicsSquaring, "how pixels follow the flow: squaring, or euler, the slow reference")
	f.IntVar(&tile, "tile", 0, "side of a tile, px, a multiple of 32; 0 chooses (results do not depend on it)")
	f.IntVar(&shift, "tile-shift", 0, "move the inner tile borders, px (results do not depend on it)")
	return c
}

// validTile limits the side of a tile, 0 or a multiple of the network's stride, and the shift of its borders.
func validTile(tile, shift int) error {
	const least, most = 512, 4096
	if tile != 0 && (tile < least || tile > most || tile%infer.NetworkStride != 0) {
		return fmt.Errorf("--tile is %d; it must be a multiple of %d from %d to %d px, or 0", tile, infer.NetworkStride, least, most)
	}
	if shift < 0 {
		return fmt.Errorf("--tile-shift is %d; it must not be negative", shift)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
