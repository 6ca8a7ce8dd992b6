package agent

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// reportFiles reads the three files of a report.
func reportFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{reporting.SummaryCSVFile, reporting.SummaryJSONFile, reporting.ReportFile} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		files[name] = string(text)
	}
	return files
}

func TestAReportIsAFunctionOfTheStore(t *testing.T) {
	k := newKeeper(t, RetentionConfig{})
	k.runs.Describe = func(b *reporting.Batch) {
		b.Site, b.Instrument, b.Version, b.ConfigHash = "lab", "fib", "1.2.3", "c0ffee"
		b.Model = &reporting.Model{Name: "m", Version: "1", SHA256: "abc", Precision: "int8", Provider: "cpu"}
	}
	for range 3 {
		k.frame("wafer-7", 10)
	}
	rejected, err := journal{store: k.store, runs: k.runs}.Admit(t.Context(), stream.Receipt{Source: "acq", Key: "bad", Name: "bad.tif", RunHint: "wafer-7"})
	require.NoError(t, err)
	require.NoError(t, k.store.Commit(t.Context(), reporting.Completion{FrameID: rejected.FrameID, State: "rejected", Reason: "quarantined"}))
	raised := reporting.AlertState{
		Code: "X", Key: "acq", ID: "1", State: "raised", Seq: 1, Severity: "info", RaisedAt: k.now, At: k.now, RunID: "wafer-7",
		Payload: []byte(`{"code":"X","alert_key":"X/acq","alert_id":"1","state":"raised","seq":1,"time":"` + k.now.Format("2006-01-02T15:04:05Z") + `"}`),
	}
	require.NoError(t, k.store.PutAlerts(t.Context(), []reporting.AlertState{raised}, nil))
	k.runs.done(t.Context(), "wafer-7", true)
	dir := k.runs.dir("wafer-7")
	first := reportFiles(t, dir)

	var sum struct {
		ExitStatus string            `json:"exit_status"`
		Version    string            `json:"version"`
		Frames     reporting.Counts  `json:"frames"`
		Alerts     []json.RawMessage `json:"alerts"`
		Stop       map[string]any    `json:"stop"`
	}
	require.NoError(t, json.Unmarshal([]byte(first[reporting.SummaryJSONFile]), &sum))
	require.Equal(t, exitSuccess, sum.ExitStatus)
	require.Equal(t, "1.2.3", sum.Version)
	require.Equal(t, reporting.Counts{Received: 4, Processed: 3, Rejected: 1}, sum.Frames)
	require.Len(t, sum.Alerts, 1)
	require.Contains(t, first[reporting.ReportFile], "<code>X/acq</code>")
	require.Contains(t, first[reporting.ReportFile], "4 received: 3 processed, 1 rejected")
	require.Equal(t, exitSuccess, sum.Stop["exit_status"])

	for name := range first {
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
	}
	config := filepath.Join(t.TempDir(), "aimsd.yaml")
	require.NoError(t, os.WriteFile(config, []byte("site: elsewhere\ninstrument: other\ndata_dir: "+k.store.Dir()+"\n"), 0o600))
	var out, said bytes.Buffer
	require.Zero(t, Main([]string{"report", "--run", "wafer-7", "-c", config, "-o", dir}, &out, &said), said.String())
	require.Equal(t, first, reportFiles(t, dir), "under another configuration the same bytes")
	require.Contains(t, out.String(), "run wafer-7 (success), 4 frames")
	elsewhere := filepath.Join(t.TempDir(), "report")
	require.Zero(t, Main([]string{"report", "--run", "wafer-7", "-c", config, "-o", elsewhere}, &out, &said), said.String())
	require.Equal(t, first, reportFiles(t, elsewhere))

	said.Reset()
	require.Equal(t, exitUsage, Main([]string{"report", "--run", "nonsense", "-c", config, "-o", elsewhere}, &out, &said))
	require.Contains(t, said.String(), "the latest are wafer-7")
}

func TestARunThatACrashLeftOpenHasAReportThatSaysSo(t *testing.T) {
	k := newKeeper(t, RetentionConfig{})
	k.frame("lost", 10)
	data, dir := k.store.Dir(), t.TempDir()
	_, n, err := reportRun(t.Context(), data, "lost", dir)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Contains(t, reportFiles(t, dir)[reporting.SummaryJSONFile], `"exit_status": "running"`)
	// A process that was killed holds no lock any more.
	gone := t.TempDir()
	require.NoError(t, os.CopyFS(gone, os.DirFS(data)))
	_, _, err = reportRun(t.Context(), gone, "lost", dir)
	require.NoError(t, err)
	require.Contains(t, reportFiles(t, dir)[reporting.SummaryJSONFile], `"exit_status": "abort"`)
}
