package agent

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/uni-aims/aimsd/infer/models"
)

// evaluateOutput is where evaluate writes when it is not told.
const evaluateOutput = "aims_evaluation"

// worstDefault is how many of the worst images evaluate shows.
const worstDefault = 24

func newEvaluateCommand() *cobra.Command {
	var out, truth, labels, scale, provider, mode, model, walk string
	var worst int
	c := &cobra.Command{
		Use:   "evaluate -o DIR (--truth LABELDIR | --scale TRUTH.json) IMAGE...",
		Short: "Score the analysis against a known truth",
		Long: `Analyse images as analyze does and compare the outcome with the truth.

With --truth, LABELDIR holds one label image per image, of the same name but for the extension
(16 or 32-bit TIFF, PNG or PGM; 0 is background, every other value one object; NAME.labels.tif
does too). It prints a table and writes evaluation.json, evaluation.csv (a row per image: average
precision at IoU 0.50 to 0.95, panoptic quality, errors of D10, D50 and D90, ...) and worst.html,
which shows the worst images with true and found outlines.
With --labels as well, nothing is analysed: the label images there, or the folders of an earlier
analyze, are scored. That compares any other program on the same terms. Of a file with several
frames the first is scored.

With --scale, only scale bars are read, from the pixels alone, and compared with TRUTH.json:
[{"id": "NAME", "has_bar": true, "value": 20, "unit": "nm", "length_px": 48.9}, ...].
It writes scale_evaluation.json, scale_evaluation.csv and scale_worst.html.

An image that fails though its truth is known counts as nothing found; the exit status is then 1.`,
		Example: `  aimsd evaluate -o scores --truth set/lab set/img
  aimsd evaluate -o other --truth set/lab --labels watershed set/img
  aimsd evaluate -o bars --scale bars.json set/img`,
		RunE: func(c *cobra.Command, args []string) error {
			if (truth == "") == (scale == "") {
				return usagef("evaluate: give either --truth with a folder of label images or --scale with a file of scale bars")
			}
			if scale != "" && labels != "" {
				return usagef("evaluate: --labels goes with --truth, not with --scale")
			}
			if err := firstError(ValidMode(mode), oneOf("provider", provider, "auto", "cpu", "cuda"), oneOf("dynamics", walk, DynamicsSquaring, DynamicsEuler)); err != nil {
				return usageError{err}
			}
			if worst < 0 {
				return usagef("evaluate: --worst is %d; it must not be negative", worst)
			}
			inputs := listInputs(args, out)
			if scale != "" {
				e := scaleEvaluation{Dir: out, Worst: worst, Read: pixelScale, Stdout: c.OutOrStdout(), Stderr: c.ErrOrStderr(), Now: time.Now}
				return e.Run(c.Context(), scale, inputs, args)
			}
			e := evaluation{
				Dir: out, Mode: mode, Worst: worst, Stdout: c.OutOrStdout(), Stderr: c.ErrOrStderr(), Now: time.Now,
				Open: func(ctx context.Context) (*Analyser, error) {
					a, err := OpenAnalyser(ctx, InferConfig{Provider: provider, Model: model, Dynamics: walk})
					if err == nil {
						a.ConfigHash = hashOf(mode, model, walk)
					}
					return a, err
				},
			}
			return e.Run(c.Context(), truth, labels, inputs)
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "output", "o", evaluateOutput, "folder for the scores")
	f.StringVar(&truth, "truth", "", "folder of true label images")
	f.StringVar(&labels, "labels", "", "folder of label images made elsewhere, scored instead of an analysis")
	f.StringVar(&scale, "scale", "", "file of true scale bars (JSON)")
	f.StringVar(&provider, "provider", "auto", "what runs the network: auto, cpu, cuda")
	f.StringVar(&mode, "mode", ModeParticles, "what the objects are: particles, grains, pores, fibres")
	f.StringVar(&model, "model", models.DefaultName, "network: default, light, large, or an .onnx file")
	f.StringVar(&walk, "dynamics", DynamicsSquaring, "how pixels follow the flow: squaring, or euler, the slow reference")
	f.IntVar(&worst, "worst", worstDefault, "how many of the worst images to show")
	return c
}
