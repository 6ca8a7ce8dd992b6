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
			fmt.Fprintf(c.OutOrStdout(), "aimsd %s (%s, %s/%s)\nmodel %s %s, sha256 %s\n",
				version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, model.Name, model.Version, model.SHA256)
			return nil
		},
	}
}
