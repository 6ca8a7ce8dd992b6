package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream/decode"
)

// scaleLine is what the scale command prints of an image.
type scaleLine struct {
	Path    string            `json:"path"`
	Page    int               `json:"page,omitempty"` // from 1, of a file of several frames
	NmPerPx *float64          `json:"nm_per_px"`
	Source  string            `json:"source"`
	Bar     *reporting.Bar    `json:"bar"`
	Checks  []reporting.Check `json:"checks"`
}

func newScaleCommand() *cobra.Command {
	var ignoreMetadata bool
	c := &cobra.Command{
		Use:   "scale [--ignore-metadata] PATH...",
		Short: "Read the pixel size of images",
		Long: `Read the pixel size of image files and of folders (read recursively) from their metadata and from
the scale bar burned into them, and print one JSON line per image:
{"path","nm_per_px","source","bar","checks"}; each frame of a file that holds several has its line and
"page". The source is metadata, scale_bar or none; without a certain answer it is none, nm_per_px is
null, and the checks say why. Images without a scale are no failure; the exit status is 1 when an image
cannot be read.`,
		Example: `  aimsd scale sample.tif
  aimsd scale --ignore-metadata /data/session-17 | jq -r '[.path, .nm_per_px] | @tsv'`,
		RunE: func(c *cobra.Command, args []string) error {
			inputs := everyFrame(listInputs(args, ""))
			if len(inputs) == 0 {
				return usagef("scale: no images to read; name image files or folders that hold some")
			}
			return printScales(c.Context(), ScalePolicy{IgnoreMetadata: ignoreMetadata}, inputs, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().BoolVar(&ignoreMetadata, "ignore-metadata", false, "take the pixels' word alone")
	return c
}

// printScales prints a line per image; an image that cannot be read is one line on stderr.
func printScales(ctx context.Context, policy ScalePolicy, inputs []input, stdout, stderr io.Writer) error {
	out := json.NewEncoder(stdout)
	out.SetEscapeHTML(false)
	failed := 0
	var decoder decode.Decoder
	for _, in := range inputs {
		if err := ctx.Err(); err != nil {
			return err
		}
		scale, err := scaleOf(ctx, &decoder, policy, in)
		if err != nil {
			failed++
			fmt.Fprintln(stderr, "aimsd:", oneLine(err))
			continue
		}
		if err := out.Encode(scaleLine{in.path, in.page, scale.NmPerPx, scale.Source, scale.Bar, scale.Checks}); err != nil {
			return fmt.Errorf("print the scale of %s: %w", in.path, err)
		}
	}
	if failed > 0 {
		return failedError{fmt.Sprintf("%d of %s failed", failed, plural(len(inputs), "input"))}
	}
	return nil
}

// scaleOf decodes an image and resolves its scale.
func scaleOf(ctx context.Context, decoder *decode.Decoder, policy ScalePolicy, in input) (reporting.Scale, error) {
	if in.err != nil {
		return reporting.Scale{}, in.err
	}
	f, err := decoder.Frame(ctx, in.path, in.page)
	if err != nil {
		return reporting.Scale{}, err
	}
	defer f.Release()
	if err := decode.Validate(f); err != nil {
		return reporting.Scale{}, err
	}
	return policy.Resolve(f).Scale, nil
}
