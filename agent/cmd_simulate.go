package agent

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/uni-aims/aimsd/stream/simulate"
)

func newSimulateCommand() *cobra.Command {
	var out, scene, size, control string
	var frames int
	var rate float64
	var seed uint64
	var wait bool
	c := &cobra.Command{
		Use:   "simulate -o DIR",
		Short: "Write the frames of a simulated microscope, with the truth",
		Long: `Render micrographs whose every object is known: DIR/frames/NAME.tif, with an information
panel, a scale bar and vendor metadata, and beside them DIR/truth/NAME.labels.tif and
NAME.json. Watch DIR/frames only.

The scene milling is one field of view in which an ion beam mills a trench: it drifts, frames
fail, and milling goes on beyond the pattern unless it is stopped. --control listens for that,
on loopback, with the verbs of OpenFIBSEM's server (POST /pause_milling, /resume_milling,
/stop_milling, /start_milling; GET /milling_state); what was accepted, and from which frame on
it shows, is in DIR/truth/control.jsonl.`,
		Example: `  aimsd simulate -o sim --frames 12
  aimsd simulate -o sim --size 8192x8192 --seed 7 --frames 1
  aimsd simulate -o sim --scene milling --frames 200 --rate 2 --control 127.0.0.1:8001`,
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
			m := simulate.Microscope{Dir: out, Scene: s, Frames: frames, RateHz: rate}
			milling, milled := s.(*simulate.Milling)
			switch {
			case !milled && (control != "" || wait):
				return usagef("simulate: --control and --wait are for --scene milling")
			case wait && control == "":
				return usagef("simulate: --wait needs --control; without it nothing could start the milling")
			}
			bar := newProgress(c.ErrOrStderr(), frames)
			defer bar.done()
			objects := 0
			run := func(ctx context.Context) error {
				if milled {
					if err := tellPlan(c.OutOrStdout(), milling); err != nil {
						return err
					}
				}
				return m.Run(ctx, func(w simulate.Written) {
					objects += w.Truth.Objects
					bar.frame(w.Truth.Objects)
				})
			}
			if control == "" {
				err = run(c.Context())
			} else {
				err = runControlled(c, control, &simulate.Control{Scene: milling, RateHz: rate, Idle: wait}, &m, run)
			}
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
	f.StringVar(&control, "control", "", "address, such as 127.0.0.1:8001, on which milling is controlled")
	f.BoolVar(&wait, "wait", false, "do not mill before POST /start_milling")
	return c
}

// tellPlan says where a run mills, for the configuration of what watches it.
func tellPlan(w io.Writer, m *simulate.Milling) error {
	p, direction, err := m.Plan()
	if err == nil {
		fmt.Fprintf(w, "pattern left %.4f, top %.4f, width %.4f, height %.4f, %s\n", p.Left, p.Top, p.Width, p.Height, direction)
	}
	return err
}

// runControlled serves control at address while run takes the frames of m, and logs its verbs beside their truth.
func runControlled(c *cobra.Command, address string, control *simulate.Control, m *simulate.Microscope, run func(context.Context) error) error {
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	l, err := control.Listen(ctx, address)
	if err != nil {
		return usageError{err}
	}
	log, err := simulate.CreateControlLog(m.Dir)
	if err != nil {
		l.Close()
		return err
	}
	defer log.Close()
	control.Log, m.Beam = log, control.Beam
	fmt.Fprintf(c.OutOrStdout(), "control on http://%s\n", l.Addr())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return control.Serve(ctx, l) })
	g.Go(func() error {
		defer cancel() // the last frame ends the control too
		return run(ctx)
	})
	return g.Wait()
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
