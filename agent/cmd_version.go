package agent

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/uni-aims/aimsd/infer/models"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of the program and its model",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			out := c.OutOrStdout()
			fmt.Fprintf(out, "aimsd %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			for _, name := range models.Names() {
				model, err := models.Load(name)
				if err != nil {
					return err
				}
				use := ""
				if name == models.DefaultNetwork {
					use = " (default)"
				}
				for _, precision := range []string{models.FP32, models.FP16, models.INT8} {
					fmt.Fprintf(out, "model %s %s%s, %s, sha256 %s\n", model.Name, model.Version, use, precision, model.Form(precision).SHA256)
				}
			}
			return nil
		},
	}
}
