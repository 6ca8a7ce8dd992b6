package reporting

import (
	"encoding/json"
	"io/fs"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/proto/schema"
)

func compiledSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	f, err := schema.FS().Open(name + ".schema.json")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	doc, err := jsonschema.UnmarshalJSON(f)
	require.NoError(t, err)
	require.NoError(t, c.AddResource(name+".json", doc))
	s, err := c.Compile(name + ".json")
	require.NoError(t, err)
	return s
}

// requireValid validates a payload and also that the schema names every field it has.
func requireValid(t *testing.T, name string, payload []byte) map[string]any {
	t.Helper()
	s := compiledSchema(t, name)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(payload)))
	require.NoError(t, err)
	require.NoError(t, s.Validate(doc), "%s", payload)
	fields := doc.(map[string]any)
	for field := range fields {
		require.Contains(t, s.Properties, field, "%s.schema.json", name)
	}
	require.Equal(t, "aims."+name+"/1", fields["schema"])
	for _, required := range s.Required {
		without := map[string]any{}
		for k, v := range fields {
			if k != required {
				without[k] = v
			}
		}
		require.Error(t, s.Validate(without), "%s.schema.json does not miss %s", name, required)
	}
	return fields
}

func testBuilder(t testing.TB) Builder {
	t.Helper()
	topics, err := NewTopics("lab-a", "fib 01")
	require.NoError(t, err)
	return Builder{Topics: topics, Now: func() time.Time { return time.Date(2026, 3, 1, 13, 0, 0, 5, time.FixedZone("CET", 3600)) }}
}

func TestEveryMessageFitsItsSchema(t *testing.T) {
	b := testBuilder(t)
	nan := math.NaN()
	id := newID(b.now())
	sha := strings.Repeat("ab", 32)
	result := sampleResult()
	result.Image.SHA256, result.Model = sha, &Model{Name: "m", Version: "1", SHA256: sha, Precision: "fp32", Provider: "cpu"}
	result.Statistics["area_px"] = metrics.Stat{N: 1, Mean: &nan}
	rec := FrameRecord{ID: id, RunID: "r", Source: "acq", Path: "/in/a.tif", Name: "a.tif", SHA256: sha, Seq: 7, State: "processed", Folder: "a.tif"}
	rejected := FrameRecord{ID: id, RunID: "r", Source: "acq", Path: "/in/b.tif", Seq: 8, State: "rejected", Reason: "truncated"}
	run := RunRecord{ID: "r", OpenedAt: b.now()}
	closed := run
	closed.ClosedAt, closed.Reason = b.now().Add(time.Hour), "end"
	alert := AlertMessage{Code: "D50_HIGH", Key: "acq/2", Severity: "critical", State: AlertRaised, Text: strings.Repeat("ä", 200), Value: &nan, Limit: new(12.5), Unit: "nm", FrameID: id, RunID: "r", ModelHash: &sha}
	alertDoc := func(m AlertMessage) (Message, error) {
		_, msgs, err := b.Alert(m)
		if err != nil {
			return Message{}, err
		}
		return msgs[0], nil
	}
	acked, cleared := alert, alert
	acked.State, acked.AckedBy, acked.AckedAt = AlertAcked, new("mia"), new(b.now())
	cleared.State = AlertCleared
	type made struct {
		msg Message
		err error
	}
	of := func(m Message, err error) made { return made{m, err} }
	for _, c := range []struct {
		schema, topic string
		retained      bool
		made          made
	}{
		{"status", "status", true, of(b.Status(StatusMessage{State: StatusOnline, Session: id, Connection: 1}))},
		{"meta", "meta", true, of(b.Meta(MetaMessage{Version: "1.0.0", Session: id, Sources: []string{"acq"}, Model: result.Model}))},
		{"meta", "meta", true, of(b.Meta(MetaMessage{Version: "1.0.0", Session: id}))},
		{"frame", "frame", false, of(b.Frame(FrameMessageOf(rec, result)))},
		{"frame", "frame", false, of(b.Frame(FrameMessageOf(rejected, nil)))},
		{"run", "run", false, of(b.Run(RunMessageOf(run, RunTotals{}, "")))},
		{"run", "run", false, of(b.Run(RunMessageOf(closed, RunTotals{Frames: Counts{Received: 2, Processed: 2}, Objects: 9}, "runs/r")))},
		{"event", "event", false, of(b.Event(EventMessage{Code: "DISK_LOW", Severity: "warning", Text: "x", Data: map[string]any{"free": nan, "list": []float64{1, nan}}}))},
		{"event", "event", false, of(alertDoc(cleared))},
		{"alert", "alert/D50_HIGH/acq%2F2", true, of(alertDoc(alert))},
		{"alert", "alert/D50_HIGH/acq%2F2", true, of(alertDoc(acked))},
	} {
		require.NoError(t, c.made.err)
		m := c.made.msg
		require.Equal(t, "aims/v1/lab-a/fib 01/"+c.topic, m.Topic)
		require.Equal(t, c.retained, m.Retained, c.topic)
		require.EqualValues(t, 1, m.QoS)
		fields := requireValid(t, c.schema, m.Payload)
		require.Equal(t, "2026-03-01T12:00:00.000000005Z", fields["time"])
		require.Equal(t, "lab-a", fields["site"])
		require.Equal(t, "fib 01", fields["instrument"])
		require.Len(t, fields["id"], 26)
	}
	for _, bad := range []string{`{"schema":"aims.status/1"}`, `[]`, `{"schema":"aims.status/2","state":"gone"}`} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(bad))
		require.NoError(t, err)
		require.Error(t, compiledSchema(t, "status").Validate(doc))
	}
	_, _, err := b.Alert(AlertMessage{Code: "X", State: "sleepy"})
	require.ErrorContains(t, err, "sleepy")
}

func TestResultFitsItsSchema(t *testing.T) {
	full := sampleResult()
	full.Scale.Bar = &Bar{X0: 10, X1: 110, LengthPx: 100, Text: "1 um", Value: new(1.0), Unit: "um", Confidence: math.NaN()}
	full.Scale.Checks = []Check{{Name: "scale_match", Status: "ok", Detail: "0.3 %"}}
	full.Acquisition = map[string]any{"hv_v": math.Inf(1), "nested": map[string]any{"x": math.NaN()}}
	full.FrameID, full.RunID, full.Seq, full.Source = newID(time.Now()), "r", 3, "acq"
	bare := &Result{Scale: Scale{Source: "none"}, Image: Image{Width: 64, Height: 64}, Mode: "particles", Time: time.Now()}
	for _, r := range []*Result{sampleResult(), full, bare} {
		payload, err := json.Marshal(r.Finite())
		require.NoError(t, err)
		requireValid(t, "result", payload)
	}
	require.True(t, math.IsNaN(full.Scale.Bar.Confidence), "the original stays as it is")
}

func TestSchemasAreListedAndPublished(t *testing.T) {
	files, err := fs.Glob(schema.FS(), "*.schema.json")
	require.NoError(t, err)
	require.Len(t, files, len(Schemas()))
	for name := range Schemas() {
		compiledSchema(t, name)
	}
}

func TestTopicsRefuseNamesThatBreakThem(t *testing.T) {
	for _, bad := range []string{"", "a/b", "a+", "#", "a\n", "$SYS", "a\x00", strings.Repeat("x", 129), "\xff"} {
		_, err := NewTopics(bad, "fib")
		require.ErrorContains(t, err, "site", "%q", bad)
		_, err = NewTopics("lab", bad)
		require.ErrorContains(t, err, "instrument", "%q", bad)
	}
}

func FuzzDecodeSizes(f *testing.F) {
	b, err := Sizes{ECDPx: []float32{1}, WeightML: []float32{2}}.encode()
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeSizes(b); err == nil {
			again, err := s.encode()
			require.NoError(t, err)
			require.Equal(t, b, again)
		}
	})
}
