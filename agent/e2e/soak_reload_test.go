//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/agent"
	"github.com/uni-aims/aimsd/infer/models"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream/simulate"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

// reloadSite is a daemon whose configuration and model are changed under a stream of frames.
type reloadSite struct {
	*site
	rng    *rand.Rand
	models []string // paths of sound model files
	model  int      // in use
	nm     int      // scale.fixed_nm_per_px of the configuration in use; each has its own
	daemon *daemon
	made   map[string]made // by config_hash: what a result with it must have
}

// made is what makes a result.
type made struct {
	sha256  string // of the model
	nmPerPx float64
}

// set writes a configuration; its hash and what results of it must have are noted if it is sound.
func (r *reloadSite) set(model, more string, sound bool) string {
	r.settings = fmt.Sprintf("scale: {fixed_nm_per_px: %d}\ninfer: {provider: cpu, model: %q}\nreload: auto\n%s", r.nm, model, more)
	path := r.config()
	if sound {
		c, err := agent.LoadConfig(path, nil)
		require.NoError(r.t, err)
		m, err := models.Load(model)
		require.NoError(r.t, err)
		r.made[c.Hash()] = made{m.Form().SHA256, float64(r.nm)}
	}
	return path
}

// sound writes the next sound configuration.
func (r *reloadSite) sound() {
	r.nm++
	r.set(r.models[r.model], "", true)
}

func (r *reloadSite) hangUp() {
	require.NoError(r.t, r.daemon.cmd.Process.Signal(syscall.SIGHUP))
}

// expect waits for the next line with a message after n earlier ones, and returns it.
func (r *reloadSite) expect(msg string, n int) map[string]any {
	r.t.Helper()
	var said []map[string]any
	eventually(r.t, fmt.Sprintf("%q is in the log a %d. time", msg, n+1), func() bool {
		require.False(r.t, r.daemon.gone(), "the daemon has ended")
		said = r.daemon.log.all(msg)
		return len(said) > n
	})
	return said[n]
}

const (
	saidReloaded = "reloaded"
	saidFailed   = "reload failed; the old settings go on"
)

// accepted expects that do is taken up.
func (r *reloadSite) accepted(do func()) {
	r.t.Helper()
	n := len(r.daemon.log.all(saidReloaded))
	do()
	r.expect(saidReloaded, n)
}

// refused expects that do is refused because of what why says, and that the daemon goes on and says so.
func (r *reloadSite) refused(why string, do func()) {
	r.t.Helper()
	n := len(r.daemon.log.all(saidFailed))
	do()
	require.Contains(r.t, r.expect(saidFailed, n)["error"], why)
	before := r.daemon.counts("acq")["processed"]
	eventually(r.t, "frames go on", func() bool { return r.daemon.counts("acq")["processed"] > before })
	status, body := r.daemon.get("/readyz")
	require.Equal(r.t, http.StatusOK, status, body)
	require.Contains(r.t, body, `"configuration":"degraded: `)
}

// acts are what happens to the configuration and the model, in a random order.
func (r *reloadSite) acts() []func() {
	bad := filepath.Join(filepath.Dir(r.frames), "bad.onnx")
	whole, err := os.ReadFile(r.models[0])
	require.NoError(r.t, err)
	refusedModel := func(why string, data []byte) {
		require.NoError(r.t, os.WriteFile(bad, data, 0o600))
		r.refused(why, func() { r.set(bad, "", false); r.hangUp() })
		r.accepted(func() { r.sound(); r.hangUp() })
	}
	return []func(){
		func() { r.accepted(func() { r.sound(); r.hangUp() }) },
		func() { r.accepted(r.sound) }, // the file's change is seen
		func() {
			r.model = 1 - r.model
			r.accepted(func() { r.sound(); r.hangUp() })
			before := r.daemon.counts("acq")["processed"] // the change may be the last, and both networks must have had frames
			eventually(r.t, "the other network has frames", func() bool { return r.daemon.counts("acq")["processed"] > before+1 })
		},
		func() {
			r.refused(`unknown key "colour"`, func() { r.set(r.models[r.model], "colour: red\n", false); r.hangUp() })
			r.accepted(func() { r.sound(); r.hangUp() })
		},
		func() {
			r.refused("log.file, priority cannot be changed while aimsd runs", func() {
				r.set(r.models[r.model], "priority: normal\nlog: {file: x.log}\n", false)
				r.hangUp()
			})
			r.accepted(func() { r.sound(); r.hangUp() })
		},
		func() { refusedModel("bad.onnx", whole[:len(whole)/2]) },
		func() { // room was made for the file, its second half is not there yet
			data := append([]byte{}, whole...)
			clear(data[len(data)/2:])
			refusedModel("bad.onnx", data)
		},
		func() { // it loads, but is not the one that is meant
			sum := strings.Repeat("0", 64) + "  bad.onnx\n"
			require.NoError(r.t, os.WriteFile(bad+".sha256", []byte(sum), 0o600))
			refusedModel("bad.onnx.sha256 says", whole)
			require.NoError(r.t, os.Remove(bad+".sha256"))
		},
		func() { // the model in use is written anew, slowly
			path := r.models[r.model]
			data, err := os.ReadFile(path)
			require.NoError(r.t, err)
			r.refused(filepath.Base(path), func() { require.NoError(r.t, os.WriteFile(path, data[:len(data)/3], 0o600)) })
			require.NoError(r.t, os.WriteFile(path, data, 0o600))
			r.accepted(func() { r.sound(); r.hangUp() })
		},
	}
}

// TestReloadUnderAStreamSoak changes configuration and model, soundly and not, while frames come: none is lost,
// each is analysed once and wholly by one set of settings, and what is wrong is refused while the old goes on.
func TestReloadUnderAStreamSoak(t *testing.T) {
	length, full := streamtest.Soak(t, time.Second) // one round of all changes, in any case
	r := &reloadSite{site: newSite(t, ""), rng: streamtest.Random(t), made: map[string]made{}}
	for _, precision := range []string{models.INT8, models.FP32} {
		m, err := models.Load(models.DefaultName + "-" + precision)
		require.NoError(t, err)
		path := filepath.Join(filepath.Dir(r.frames), "net-"+precision+".onnx")
		require.NoError(t, os.WriteFile(path, m.Form().ONNX, 0o600))
		require.NoError(t, os.WriteFile(strings.TrimSuffix(path, ".onnx")+".json", m.Scorer, 0o600))
		r.models = append(r.models, path)
	}
	r.sound()
	r.daemon = r.up()

	frame, err := (&simulate.Particles{Width: 192, Height: 192, Seed: 5}).Frame(t.Context(), 1)
	require.NoError(t, err)
	stop, written := make(chan struct{}), 0
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(120 * time.Millisecond):
			}
			path := filepath.Join(r.frames, fmt.Sprintf("f%06d.tif", written))
			f, err := os.Create(path + ".tmp")
			if err != nil || frame.WriteTIFF(f) != nil || f.Close() != nil || os.Rename(path+".tmp", path) != nil {
				return
			}
			written++
		}
	})
	done := 0
	acts := r.acts()
	for end := time.Now().Add(length); ; {
		for _, i := range r.rng.Perm(len(acts)) {
			acts[i]()
			done++
			if full && time.Now().After(end) {
				break
			}
		}
		if time.Now().After(end) {
			break
		}
	}
	close(stop)
	writer.Wait()
	c := r.daemon.settled("acq", written)
	require.Equal(t, written, c["received"])
	require.Equal(t, written, c["processed"], "every frame: %v", c)
	require.Zero(t, r.daemon.stop())
	hashes, sums := r.judge(written)
	t.Logf("%d frames, %d changes, results by %d configurations and %d models", written, done, hashes, sums)
	require.Greater(t, hashes, 1)
	require.Equal(t, 2, sums)
}

// judge reads all results: each frame has one, and its configuration, model and scale belong together.
func (r *reloadSite) judge(frames int) (hashes, sums int) {
	paths, err := filepath.Glob(filepath.Join(r.data, "runs", "*", "*", reporting.ResultFile))
	require.NoError(r.t, err)
	require.Len(r.t, paths, frames)
	seen, byHash, bySum := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(r.t, err)
		var res reporting.Result
		require.NoError(r.t, json.Unmarshal(data, &res))
		require.False(r.t, seen[res.Image.Path], "%s has two results", res.Image.Path)
		seen[res.Image.Path], byHash[res.ConfigHash], bySum[res.Model.SHA256] = true, true, true
		want, ok := r.made[res.ConfigHash]
		require.True(r.t, ok, "%s was analysed with a configuration that was refused", path)
		require.NotNil(r.t, res.Scale.NmPerPx)
		require.Equal(r.t, want, made{res.Model.SHA256, *res.Scale.NmPerPx}, path)
	}
	return len(byHash), len(bySum)
}

// all returns the fields of the lines with a message.
func (j *journal) all(msg string) (found []map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		fields := map[string]any{}
		if strings.Contains(line, msg) && json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == msg {
			found = append(found, fields)
		}
	}
	return found
}
