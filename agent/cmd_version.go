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
			model, err := models.Load(models.DefaultName)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "aimsd %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			for _, precision := range []string{models.FP32, models.FP16, models.INT8} {
				fmt.Fprintf(c.OutOrStdout(), "model %s %s, %s, sha256 %s\n", model.Name, model.Version, precision, model.Form(precision).SHA256)
			}
			return nil
		},
	}
}
