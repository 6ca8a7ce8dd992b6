package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uni-aims/aimsd/reporting"
)

func newReportCommand() *cobra.Command {
	var config, run, dir string
	c := &cobra.Command{
		Use:   "report --run ID [-c FILE] -o DIR",
		Short: "Write a run's report again, from the store",
		Long: `Write summary.csv, summary.json and report.html of a run into DIR, from what the store holds and
the folders of its frames in data_dir; the same run gives the same bytes. It can be used beside
a running daemon. Without -c, aimsd.yaml in this folder is read, else /etc/aimsd/aimsd.yaml.`,
		Example: "  aimsd report --run 20260114-093000-acq -c aimsd.yaml -o report",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if run == "" || dir == "" {
				return usagef("report: name the run with --run ID and a folder with -o DIR")
			}
			cfg, _, err := usualConfig(config)
			if err != nil {
				return err
			}
			rec, frames, err := reportRun(c.Context(), cfg.DataDir, run, dir)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "run %s (%s), %s; report: %s\n", rec.ID, exitStatus(cfg.DataDir, rec), plural(frames, "frame"),
				filepath.Join(dir, reporting.ReportFile))
			return nil
		},
	}
	c.Flags().StringVar(&run, "run", "", "the run's id, as in data_dir/runs and in messages")
	c.Flags().StringVarP(&dir, "output", "o", "", "folder to write into; the run's own folder is allowed")
	c.Flags().StringVarP(&config, "config", "c", "", "configuration file of the daemon")
	return c
}

// findConfig is the file given, or the first of the usual ones that there is.
func findConfig(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	usual := []string{"aimsd.yaml", "/etc/aimsd/aimsd.yaml"}
	for _, path := range usual {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", usagef("configuration: there is no %s; name it with -c FILE", strings.Join(usual, " or "))
}

// usualConfig is the configuration in the file given, or in the first of the usual ones, and which file that is.
func usualConfig(given string) (cfg Config, path string, err error) {
	if path, err = findConfig(given); err == nil {
		cfg, err = loadConfig(path)
	}
	return cfg, path, err
}

// reportRun writes a run's report from the store in a data directory.
func reportRun(ctx context.Context, data, id, dir string) (rec reporting.RunRecord, frames int, err error) {
	store, rec, err := storedRun(ctx, data, id)
	if err != nil {
		return rec, 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := resultsLeft(&rec); err != nil {
		return rec, 0, err
	}
	totals, err := store.RunTotals(ctx, id)
	if err != nil {
		return rec, 0, err
	}
	if !validRunID(id) {
		return rec, 0, fmt.Errorf("run %q names no folder", id)
	}
	from := filepath.Join(data, runsFolder, id)
	if err := writeReport(ctx, store, rec, exitStatus(data, rec), from, dir); err != nil {
		return rec, 0, err
	}
	return rec, int(totals.Frames.Received), nil
}

// storedRun opens the store of a data directory for reading, and finds a run in it.
func storedRun(ctx context.Context, data, id string) (*reporting.Store, reporting.RunRecord, error) {
	store, err := reporting.OpenStore(ctx, reporting.StoreOptions{Dir: data, ReadOnly: true})
	if err != nil {
		return nil, reporting.RunRecord{}, usageError{fmt.Errorf("data_dir: %w", err)}
	}
	rec, err := store.Run(ctx, id)
	if errors.Is(err, reporting.ErrNotFound) {
		err = usagef("there is no run %q in %s; %s", id, data, latestRuns(ctx, store))
	}
	if err != nil {
		return nil, rec, errors.Join(err, store.Close())
	}
	return store, rec, nil
}

// resultsLeft is nil, or says that retention has removed a run's results.
func resultsLeft(rec *reporting.RunRecord) error {
	if rec.RemovedAt.IsZero() {
		return nil
	}
	return failedError{fmt.Sprintf("the results of run %s were removed by retention on %s", rec.ID, rec.RemovedAt.Format("2006-01-02"))}
}

// latestRuns names a few, for who mistyped one.
func latestRuns(ctx context.Context, store *reporting.Store) string {
	runs, err := store.Runs(ctx, 5)
	if err != nil || len(runs) == 0 {
		return "it has none yet"
	}
	var ids []string
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return "the latest are " + strings.Join(ids, ", ")
}

// Exit statuses of a run, as bluesky's documents have them.
const (
	exitSuccess = "success" // closed
	exitRunning = "running" // open, and its daemon runs
	exitAbort   = "abort"   // open, and nobody works on it: a crash, a power cut
)

// exitStatus is how a run ended.
func exitStatus(data string, rec reporting.RunRecord) string {
	switch {
	case !rec.ClosedAt.IsZero():
		return exitSuccess
	case reporting.InUse(data):
		return exitRunning
	}
	return exitAbort
}
