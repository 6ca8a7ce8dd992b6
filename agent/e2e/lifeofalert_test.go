//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/proto/schema"
	"github.com/uni-aims/aimsd/reporting"
)

// An alert's whole life over a real broker, across a kill: raised with evidence, acknowledged, shelved, cleared;
// and everything that was published meanwhile fits its schema.
func TestTheLifeOfAnAlert(t *testing.T) {
	b := startBroker(t)
	sub := b.subscribe()
	s := newSite(t, b.settings()+"rules: [{code: TOO_MANY, metric: objects, max: 0, severity: critical, cooldown: 1ms}]\nevidence: {before: 1, after: 1}\n")
	d := s.start()
	frame := func(name string, n int, data []byte) {
		put(t, filepath.Join(s.frames, name), data)
		d.settled("acq", n)
	}
	frame("black1.tif", 1, constantTIFF(t, side, side, 0))
	frame("particles.tif", 2, smallTIFF(t, 1))
	var alert reporting.AlertMessage
	is := func(state string) func() bool {
		return func() bool {
			all := b.retained(topic("alert/#"))
			if len(all) != 1 {
				return false
			}
			all[0].decode(t, &alert)
			return alert.State == state
		}
	}
	eventually(t, "raised", is("raised"))
	raised := alert.AlertID
	command := topic("cmd/alert/" + alert.Code + "/" + alert.Key)
	b.publish("-q", "1", "-t", command+"/ack", "-m", `{"by":"mia","comment":"seen it"}`)
	eventually(t, "acked", is("acked"))
	d.kill()
	d = s.start()
	eventually(t, "still acked", is("acked"))
	require.Equal(t, raised, alert.AlertID)
	require.Equal(t, "mia", *alert.AckedBy)
	b.publish("-q", "1", "-t", command+"/shelve", "-m", `{"by":"tom","duration_s":3600}`)
	eventually(t, "shelved", is("shelved"))
	require.Equal(t, "mia", *alert.AckedBy)

	frame("more.tif", 3, smallTIFF(t, 2)) // the frame after; evidence of a killed daemon stays as it was
	frame("black2.tif", 4, constantTIFF(t, side, side, 0))
	eventually(t, "cleared", func() bool { return len(b.retained(topic("alert/#"))) == 0 })
	frame("again.tif", 5, smallTIFF(t, 3))
	eventually(t, "back, but shelved", is("shelved"))
	require.NotEqual(t, raised, alert.AlertID)
	frame("last.tif", 6, smallTIFF(t, 4))
	require.Zero(t, d.stop())

	// Evidence of the second occurrence: the frame, the one before and the one after, with overlays.
	uri, err := url.Parse(*alert.EvidenceURI)
	require.NoError(t, err)
	dir := filepath.FromSlash(uri.Path)
	require.Equal(t, filepath.Join(s.data, "evidence", alert.AlertID), dir)
	var index struct {
		Complete, Whole bool
		Frames          []struct {
			Role, Folder, Name string
			Files              []struct{ Name string }
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "evidence.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &index))
	require.True(t, index.Complete && index.Whole, string(data))
	names := map[string]string{}
	for _, f := range index.Frames {
		names[f.Role] = f.Name
		require.Len(t, f.Files, 4, "frame.tif, overlay.png, particles.csv, result.json")
		for _, file := range f.Files {
			require.FileExists(t, filepath.Join(dir, f.Folder, file.Name))
		}
	}
	require.Equal(t, map[string]string{"frame": "again.tif", "before-1": "black2.tif", "after-1": "last.tif"}, names)
	require.Equal(t, sha(smallTIFF(t, 3)), sha(read(t, filepath.Join(s.frames, "again.tif"))), "the source is as it was")

	checkSchemas(t, sub)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// checkSchemas validates every message of the daemon that a subscriber received.
func checkSchemas(t *testing.T, sub *subscriber) {
	t.Helper()
	sub.mu.Lock()
	defer sub.mu.Unlock()
	schemas, count := map[string]*jsonschema.Schema{}, map[string]int{}
	for _, m := range sub.got {
		rest, ours := strings.CutPrefix(m.topic, topic(""))
		kind, _, _ := strings.Cut(rest, "/")
		if !ours || kind == "cmd" || m.payload == "" {
			continue
		}
		if schemas[kind] == nil {
			schemas[kind] = compile(t, kind)
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(m.payload))
		require.NoError(t, err, m.payload)
		require.NoError(t, schemas[kind].Validate(doc), m.payload)
		count[kind]++
	}
	for _, kind := range []string{"status", "meta", "frame", "run", "event", "alert"} {
		require.Positive(t, count[kind], "%s of %s", kind, fmt.Sprint(count))
	}
}

func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	f, err := schema.FS().Open(name + ".schema.json")
	require.NoError(t, err)
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	require.NoError(t, err)
	require.NoError(t, c.AddResource(name, doc))
	s, err := c.Compile(name)
	require.NoError(t, err)
	return s
}
