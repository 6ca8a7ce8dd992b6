package agent

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uni-aims/aimsd/stream/simulate"
)

func newSimulateCommand() *cobra.Command {
	var out, scene, size string
	var frames int
	var rate float64
	var seed uint64
	c := &cobra.Command{
		Use:   "simulate -o DIR",
		Short: "Write the frames of a simulated microscope, with the truth",
		Long: `Render micrographs whose every object is known: DIR/frames/NAME.tif, with an information
panel, a scale bar and vendor metadata, and beside them DIR/truth/NAME.labels.tif and
NAME.json. Watch DIR/frames only.`,
		Example: `  aimsd simulate -o sim --frames 12
  aimsd simulate -o sim --size 8192x8192 --seed 7 --frames 1`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" {
				return usagef("simulate: -o DIR is missing; name a folder")
			}
			w, h, err := parseSize(size)
			if err != nil {
				return usagef("simulate: %w", err)
			}
			if frames < 1 || !(rate >= 0) {
				return usagef("simulate: --frames must be at least 1 and --rate not negative")
			}
			if planned := []string{ModeGrains, ModePores, ModeFibres, "phases", "layers"}; slices.Contains(planned, scene) &&
				!slices.Contains(simulate.SceneNames(), scene) {
				return usageError{fmt.Errorf("simulate: %w", notYet("scene", scene, simulate.SceneNames()))}
			}
			s, err := simulate.New(scene, w, h, seed)
			if err != nil {
				return usageError{fmt.Errorf("simulate: %w", err)}
			}
			bar := newProgress(c.ErrOrStderr(), frames)
			defer bar.done()
			m := simulate.Microscope{Dir: out, Scene: s, Frames: frames, RateHz: rate}
			objects := 0
			err = m.Run(c.Context(), func(w simulate.Written) {
				objects += w.Truth.Objects
				bar.frame(w.Truth.Objects)
			})
			if err != nil {
				return err
			}
			bar.done()
			fmt.Fprintf(c.OutOrStdout(), "%s, %s; frames in %s, truth beside them\n",
				plural(frames, "frame"), plural(objects, "object"), out+"/"+simulate.FramesDir)
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "output", "o", "", "folder to write")
	f.StringVar(&scene, "scene", "particles", "what to show: "+strings.Join(simulate.SceneNames(), ", "))
	f.StringVar(&size, "size", "1024x1024", "size of a frame, px, information panel included")
	f.IntVar(&frames, "frames", 10, "how many")
	f.Float64Var(&rate, "rate", 0, "frames per second; 0 is as fast as possible")
	f.Uint64Var(&seed, "seed", 1, "the same seed gives the same frames")
	return c
}

// parseSize reads the size of a frame, px.
func parseSize(size string) (w, h int, err error) {
	width, height, _ := strings.Cut(strings.ToLower(size), "x")
	w, errW := strconv.Atoi(width)
	h, errH := strconv.Atoi(height)
	if errW != nil || errH != nil {
		return 0, 0, fmt.Errorf("--size %q; use WIDTHxHEIGHT in px, such as 1024x1024", size)
	}
	return w, h, nil
}
