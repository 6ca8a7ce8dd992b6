package agent

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/uni-aims/aimsd/infer/models"
)

// benchOptions are the flags of bench.
type benchOptions struct {
	sizes           []string
	frames, objects int
	infer           InferConfig
	asJSON, matrix  bool
	profile         string
}

func newBenchCommand() *cobra.Command {
	var o benchOptions
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure how fast this machine is, stage by stage",
		Long: `Take frames of the simulated microscope, one at a time, through the daemon's own path: opening
the file, scale, network, measurement, the frame's folder, and the commit to a store. The
first frame of each size does not count. Times are ms; total is the wall time from opening
the file to the committed result, the stages are busy time and may overlap. Percentiles are
those of Hazen. The reference is a product of float32 matrices on the CPU, timed in the same
run, by which figures of different machines and moments can be compared.

It works in a temporary folder, which is removed; TMPDIR puts it on another disk.`,
		Example: `  aimsd bench --size 4096x4096
  aimsd bench --size 1024x1024 --frames 50 --json
  aimsd bench --matrix
  aimsd bench --size 8192x8192 --objects 100000 --cpuprofile cpu.pb.gz`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c) },
	}
	f := c.Flags()
	f.StringArrayVar(&o.sizes, "size", nil, "size of the frames, px, such as 2048x2048; may be repeated (default 1024, 2048, 4096, 8192 squared; with --json 1024x1024)")
	f.IntVar(&o.frames, "frames", 0, "frames of each size; 0: 20 up to 1024x1024, 10 up to 2048x2048, 5 up to 4096x4096, else 3")
	f.IntVar(&o.objects, "objects", 0, "objects on each frame; many are smaller, so that they find room; 0: as many as usual")
	f.StringVar(&o.infer.Provider, "provider", "auto", "what runs the network: auto, cpu, cuda")
	f.StringVar(&o.infer.Model, "model", models.DefaultName, "network: default, light, large, or an .onnx file")
	f.BoolVar(&o.asJSON, "json", false, "print one size as one JSON object")
	f.BoolVar(&o.matrix, "matrix", false, "print how the cost grows with pixels and with objects (with --size: of these sizes)")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the frames of one size to this file, for go tool pprof")
	return c
}

// cases are what the flags ask for.
func (o benchOptions) cases() ([]benchCase, error) {
	if o.frames < 0 {
		return nil, fmt.Errorf("--frames is %d; it must not be negative", o.frames)
	}
	if err := oneOf("--provider", o.infer.Provider, "auto", "cpu", "cuda"); err != nil {
		return nil, err
	}
	sizes := o.sizes
	switch {
	case len(sizes) == 0 && o.asJSON:
		sizes = []string{"1024x1024"}
	case len(sizes) == 0:
		sizes = []string{"1024x1024", "2048x2048", "4096x4096", "8192x8192"}
	}
	switch {
	case o.matrix && (o.asJSON || o.objects != 0 || o.profile != ""):
		return nil, errors.New("--matrix goes without --json, --objects and --cpuprofile; leave one out")
	case (o.asJSON || o.profile != "") && len(sizes) > 1:
		return nil, errors.New("--json and --cpuprofile are for one size; give --size once")
	}
	var cases []benchCase
	for _, size := range sizes {
		w, h, err := parseSize(size)
		if err != nil {
			return nil, err
		}
		c := benchCase{Width: w, Height: h, Objects: o.objects, Frames: o.frames}
		if err := c.validate(); err != nil {
			return nil, err
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func (o benchOptions) run(c *cobra.Command) (err error) {
	cases, err := o.cases()
	if err != nil {
		return usagef("bench: %w", err)
	}
	var matrix benchMatrix
	frames := 0
	for _, c := range cases {
		frames += c.frames()
	}
	if o.matrix {
		var fixed []benchCase
		if len(o.sizes) > 0 {
			fixed = cases
		}
		matrix = newBenchMatrix(cases, fixed)
		frames = matrix.frames()
	}
	ctx, out := c.Context(), c.OutOrStdout()
	b := &bench{Infer: o.infer}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := b.Open(ctx); err != nil {
		return err
	}
	if !o.asJSON {
		b.printHead(out)
	}
	bar := newProgress(c.ErrOrStderr(), frames)
	defer bar.done()
	if o.matrix {
		return matrix.Run(ctx, b, out, bar.frame)
	}
	for _, c := range cases {
		r, err := b.measure(ctx, c, o.profile, bar.frame)
		if err != nil {
			return err
		}
		if o.asJSON {
			e := json.NewEncoder(out)
			e.SetIndent("", "  ")
			return e.Encode(r)
		}
		r.print(out)
	}
	return nil
}
