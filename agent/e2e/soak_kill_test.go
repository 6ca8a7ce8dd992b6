//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

// killed is a daemon that is killed again and again while frames come from a folder and over gRPC.
type killed struct {
	*site
	files  []string // to be written
	datas  [][]byte
	client *pushed
	uids   []string
}

// The bar: SIGKILL at 200 random moments (20 a minute) over 500 frames, half of them files and half pushed: every
// frame has exactly one result, the source folder is byte-identical, and messages sent twice carry the same id.
func TestKilledAtRandomMomentsSoak(t *testing.T) {
	length, full := streamtest.Soak(t, 0)
	kills, frames := 5, 16
	if full {
		kills = min(200, max(5, int(20*length.Minutes())))
		frames = kills * 5 / 2
	}
	rng := streamtest.Random(t)
	broker := hear(t)
	k := &killed{
		site:   newSite(t, broker.settings()),
		client: &pushed{run: "pushed", frames: map[string][]byte{}, done: map[string]string{}},
	}
	k.source = ", backlog: process"
	for i := range frames / 2 {
		k.files = append(k.files, filepath.Join(k.frames, fmt.Sprintf("f%04d.tif", i)))
		k.datas = append(k.datas, smallTIFF(t, 2*i))
		uid := fmt.Sprintf("uid-%04d", i)
		k.uids = append(k.uids, uid)
		k.client.frames[uid] = smallFrame(t, 2*i+1).Gray8
	}
	starting, working := 0, 0
	for n := range kills {
		upTo := (n + 1) * frames / 2 / kills // what has come by the end of this life
		if rng.IntN(2) == 0 {
			starting++
			k.life(upTo, false, time.Duration(rng.Int64N(int64(time.Second))))
		} else {
			working++
			k.life(upTo, true, time.Duration(rng.Int64N(int64(time.Second))))
		}
	}
	before := treeOf(t, k.frames)
	require.Len(t, before, frames/2)
	d := k.up()
	require.NoError(t, k.client.send(t.Context(), d.grpc, k.uids))
	acq, push := d.settled("acq", frames/2), d.settled("grpc", frames/2)
	require.Equal(t, frames/2, acq["processed"], "%v", acq)
	require.Equal(t, frames/2, push["processed"], "%v", push)
	require.Zero(t, d.stop())
	require.Equal(t, before, treeOf(t, k.frames), "the source is untouched")
	again := k.verify(broker, frames)
	t.Logf("%d frames, %d kills while starting and %d while working; %d messages were sent twice", frames, starting, working, again)
}

// life brings files and pushes frames up to a number, and ends with a kill some time after the launch or after the
// daemon was ready.
func (k *killed) life(upTo int, ready bool, after time.Duration) {
	k.t.Helper()
	// The pause of a daemon that starts in vain too often has a test of its own.
	_ = os.Remove(filepath.Join(k.data, "starts.json"))
	for ; len(k.files) > 0 && len(k.datas) > len(k.uids)-upTo; k.files, k.datas = k.files[1:], k.datas[1:] {
		require.NoError(k.t, writeRenamed(k.files[0], k.datas[0]))
	}
	var d *daemon
	var g sync.WaitGroup
	ctx, cancel := context.WithCancel(k.t.Context())
	if ready {
		d = k.up()
		g.Go(func() { _ = k.client.send(ctx, d.grpc, k.uids[:upTo]) }) // it ends with the daemon
	} else {
		d = k.launch()
	}
	time.Sleep(after)
	d.kill()
	cancel()
	g.Wait()
}

// verify looks for exactly one result of every frame in the store, the runs' folders and the messages. It returns
// how many messages were sent more than once.
func (k *killed) verify(broker *hearing, frames int) (again int) {
	t, ctx := k.t, k.t.Context()
	store, err := reporting.OpenStore(ctx, reporting.StoreOptions{Dir: k.data, ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	runs, err := store.Runs(ctx, 100)
	require.NoError(t, err)
	var ids []string
	keys := map[string]bool{}
	for _, run := range runs {
		folders := map[string]bool{}
		for r, err := range store.Results(ctx, run.ID) {
			require.NoError(t, err)
			key := r.Frame.Source + " " + r.Frame.Key
			require.False(t, keys[key], "%s has two results", key)
			require.False(t, folders[r.Frame.Folder], "%s has the results of two frames", r.Frame.Folder)
			keys[key], folders[r.Frame.Folder] = true, true
			ids = append(ids, r.Frame.ID)
			data, err := os.ReadFile(filepath.Join(k.data, "runs", run.ID, r.Frame.Folder, reporting.ResultFile))
			require.NoError(t, err)
			var written reporting.Result
			require.NoError(t, json.Unmarshal(data, &written))
			require.Equal(t, r.Result.Image, written.Image)
			require.Equal(t, r.Frame.ID, written.FrameID)
		}
		entries, err := os.ReadDir(filepath.Join(k.data, "runs", run.ID))
		require.NoError(t, err)
		for _, e := range entries {
			require.True(t, !e.IsDir() || folders[e.Name()], "%s belongs to no frame", e.Name())
		}
	}
	require.Len(t, ids, frames)
	for uid, id := range k.client.done {
		require.Contains(t, ids, id, uid)
	}
	require.Len(t, k.client.done, frames/2)

	told := map[string]map[string]any{} // frame_id -> the message
	for _, m := range broker.on("/frame") {
		var said map[string]any
		require.NoError(t, json.Unmarshal(m.payload, &said))
		delete(said, "historical") // it was late
		frame, _ := said["frame_id"].(string)
		if first, ok := told[frame]; ok {
			require.Equal(t, first["id"], said["id"], "a message that is sent twice has the same id")
			require.True(t, reflect.DeepEqual(first, said), "and is the same: %s", frame)
			again++
		}
		told[frame] = said
	}
	require.Len(t, told, frames)
	for id := range told {
		require.True(t, slices.Contains(ids, id))
	}
	return again
}
