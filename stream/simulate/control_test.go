package simulate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ask sends one request to c and returns the status and the answer.
func ask(t *testing.T, c http.Handler, method, path string) (int, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var body map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
	return w.Code, body
}

// verbs reads a control log.
func verbs(t *testing.T, text []byte) []Verb {
	t.Helper()
	var all []Verb
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		var v Verb
		require.NoError(t, json.Unmarshal(s.Bytes(), &v))
		all = append(all, v)
	}
	return all
}

func TestVerbsFollowTheState(t *testing.T) {
	ok := map[string]any{"status": "ok"}
	for _, run := range []struct {
		idle  bool
		steps string // verb:state, or verb! for one that is refused
	}{
		{false, "start:RUNNING pause:PAUSED pause:PAUSED start! resume:RUNNING resume:RUNNING stop:IDLE stop:IDLE pause:IDLE resume! start!"},
		{false, "pause:PAUSED stop:IDLE resume! start! stop:IDLE"},
		{true, "pause:IDLE resume! start:RUNNING start:RUNNING pause:PAUSED resume:RUNNING"},
		{true, "stop:IDLE start!"},
	} {
		c := &Control{Idle: run.idle}
		for i, step := range strings.Fields(run.steps) {
			verb, refused := strings.CutSuffix(step, "!")
			verb, state, _ := strings.Cut(verb, ":")
			before := c.State()
			code, body := ask(t, c, http.MethodPost, "/"+verb+"_milling")
			if refused {
				require.Equal(t, http.StatusConflict, code, "%s, step %d", run.steps, i)
				require.Contains(t, body["detail"], "refused: "+verb+"_milling")
				require.Equal(t, before, c.State())
				continue
			}
			require.Equal(t, http.StatusOK, code, "%s, step %d", run.steps, i)
			require.Equal(t, ok, body)
			_, body = ask(t, c, http.MethodGet, "/milling_state")
			require.Equal(t, map[string]any{"state": state}, body, "%s, step %d", run.steps, i)
		}
	}
}

func TestControlAnswersLikeOpenFIBSEM(t *testing.T) {
	c := &Control{Scene: &Milling{Width: 512, Height: 512, Seed: 1, RatePx: Range{2, 2}, Pattern: Rect{0.2, 0.2, 0.5, 0.5}, ScanDirection: LeftToRight}, RateHz: 4}
	code, body := ask(t, c, http.MethodGet, "/health")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, map[string]any{"status": "ok", "manufacturer": "aimsd simulate"}, body)
	_, body = ask(t, c, http.MethodGet, "/estimate_milling_time")
	require.InDelta(t, 32, body["seconds"], 1e-9, "256 px at 2 px per frame and 4 frames per second")
	code, body = ask(t, c, http.MethodGet, "/move_stage_absolute")
	require.Equal(t, http.StatusNotFound, code)
	require.Equal(t, map[string]any{"detail": "Not Found"}, body)
	for path, method := range map[string]string{"/stop_milling": http.MethodGet, "/milling_state": http.MethodPost} {
		code, _ = ask(t, c, method, path)
		require.Equal(t, http.StatusMethodNotAllowed, code)
	}
	require.Equal(t, Running, c.State(), "GET stops nothing")
	code, _ = ask(t, &Control{}, http.MethodGet, "/estimate_milling_time")
	require.Equal(t, http.StatusInternalServerError, code)
	require.ErrorContains(t, c.Do("melt"), `verb "melt": not known`)
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestVerbThatCannotBeLoggedIsNotCarriedOut(t *testing.T) {
	c := &Control{Log: full{}}
	code, body := ask(t, c, http.MethodPost, "/stop_milling")
	require.Equal(t, http.StatusInternalServerError, code)
	require.Contains(t, body["detail"], "no space left")
	require.Equal(t, Running, c.State())
}

// TestControlledRun pauses, resumes and stops a run, and compares what the frames show with the log.
func TestControlledRun(t *testing.T) {
	dir := t.TempDir()
	scene := &Milling{Width: 160, Height: 160, Seed: 2, Frozen: Range{0.5, 0.5}, Interrupted: never, Blank: never}
	log, err := CreateControlLog(dir)
	require.NoError(t, err)
	defer log.Close()
	c := &Control{Scene: scene, Log: log}
	var all []Truth
	var pixels [][]uint8
	act := map[int]string{5: "pause_milling", 6: "pause_milling", 12: "resume_milling", 20: "stop_milling"}
	m := Microscope{Dir: dir, Scene: scene, Frames: 26, Beam: c.Beam}
	require.NoError(t, m.Run(t.Context(), func(w Written) {
		all = append(all, *w.Truth)
		_, raster := decoded(t, w.Path)
		p := make([]uint8, 160*160)
		require.NoError(t, raster.Gray8(t.Context(), p))
		pixels = append(pixels, p[:w.Truth.ImageRows*160])
		if verb := act[w.Truth.Index]; verb != "" {
			require.NoError(t, c.Do(verb))
		}
	}))
	text, err := os.ReadFile(filepath.Join(dir, "truth", "control.jsonl"))
	require.NoError(t, err)
	var got []string
	for _, v := range verbs(t, text) {
		require.WithinDuration(t, time.Now(), v.Time, time.Minute)
		require.Equal(t, v.State, all[v.Index-1].Milling.State, "it shows in the frame that the log names")
		require.Equal(t, v.Changed, v.State != all[v.Index-2].Milling.State)
		require.Equal(t, act[v.Index-1], v.Verb)
		got = append(got, v.Verb)
	}
	require.Equal(t, []string{"pause_milling", "pause_milling", "resume_milling", "stop_milling"}, got)
	frozen := 0
	for i, truth := range all {
		dose := map[State]int{Running: 1}[truth.Milling.State]
		if i == 0 {
			require.Zero(t, truth.Milling.Dose)
			continue
		}
		before := all[i-1].Milling
		require.Equal(t, before.Dose+dose, truth.Milling.Dose, "frame %d", i+1)
		require.Equal(t, dose == 1, truth.Milling.FrontPx > before.FrontPx, "frame %d", i+1)
		require.Equal(t, dose == 1, truth.Milling.RatePxPerFrame > 0)
		if dose == 0 {
			require.Equal(t, before.FrontPx, truth.Milling.FrontPx, "it stands still")
		}
		if len(truth.Milling.Faults) > 0 && truth.Milling.Faults[0] == FaultFrozen {
			require.Equal(t, pixels[i-1], pixels[i], "frame %d repeats the one before, paused or not", i+1)
			frozen++
		}
	}
	require.Greater(t, frozen, 4)
	require.Equal(t, Idle, all[25].Milling.State)
}

func TestOnlyTheMillingSceneHasABeam(t *testing.T) {
	m := Microscope{Dir: t.TempDir(), Scene: &Particles{Width: 128, Height: 128}, Frames: 1, Beam: (&Control{}).Beam}
	require.ErrorContains(t, m.Run(t.Context(), nil), `scene "particles" has no beam`)
}

func TestControlledRunKeepsItsRate(t *testing.T) {
	c := &Control{}
	var at []time.Time
	m := Microscope{Dir: t.TempDir(), Scene: &Milling{Width: 128, Height: 128}, Frames: 5, RateHz: 4, Beam: c.Beam}
	require.NoError(t, m.Run(t.Context(), func(w Written) { at = append(at, w.At) }))
	took := at[4].Sub(at[0]).Seconds()
	require.Greater(t, took, 0.7)
	require.Less(t, took, 3.0)
}

func TestControlServesOnLoopbackUntilItsContextEnds(t *testing.T) {
	c := &Control{}
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:8001", "example.org:80"} {
		_, err := c.Listen(t.Context(), address)
		require.ErrorContains(t, err, "not on loopback")
	}
	_, err := c.Listen(t.Context(), "8001")
	require.ErrorContains(t, err, "use one like 127.0.0.1:8001")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, err := c.Listen(ctx, "127.0.0.1:0")
	require.NoError(t, err)
	_, err = c.Listen(ctx, l.Addr().String())
	require.ErrorContains(t, err, "choose another port")
	done := make(chan error, 1)
	go func() { done <- c.Serve(ctx, l) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.Addr().String()+"/pause_milling", nil)
	require.NoError(t, err)
	answer, err := client.Do(r)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, Paused, c.State())
	cancel()
	require.NoError(t, <-done)

	l, err = c.Listen(t.Context(), "localhost:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.ErrorContains(t, c.Serve(t.Context(), l), "control")
}
