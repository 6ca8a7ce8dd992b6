package simulate

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/uni-aims/aimsd/stream/decode"
	"github.com/uni-aims/aimsd/stream/tiff"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// decoded reads a frame's file back.
func decoded(t *testing.T, path string) (*tiff.Page, *tiff.Raster) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, tiff.CheckComplete(tiff.Bytes(data), int64(len(data))))
	f, err := tiff.Parse(tiff.Bytes(data), int64(len(data)))
	require.NoError(t, err)
	r, err := f.Pages[0].Raster()
	require.NoError(t, err)
	return f.Pages[0], r
}

func TestMicroscopeWritesFramesAndTheirTruth(t *testing.T) {
	for _, bits := range []int{8, 16} {
		dir := t.TempDir()
		scene := &Particles{Width: 320, Height: 256, Seed: 42, Bits: bits}
		var all []Written
		m := Microscope{Dir: dir, Scene: scene, Frames: 3, Start: 5}
		require.NoError(t, m.Run(t.Context(), func(w Written) { all = append(all, w) }))
		require.Len(t, all, 3)
		for i, w := range all {
			fr := frame(t, *scene, 5+i)
			require.Equal(t, fr.Name, w.Name)
			require.Equal(t, []string{"sim_particles_s42_00005", "sim_particles_s42_00006", "sim_particles_s42_00007"}[i], w.Name)
			require.Equal(t, filepath.Join(dir, "frames", w.Name+".tif"), w.Path)
			require.Equal(t, i+1, w.Count)
			require.Equal(t, 3, w.Frames)

			page, raster := decoded(t, w.Path)
			header, err := page.ASCII(tagFEI)
			require.NoError(t, err)
			require.Equal(t, fr.Header, header)
			if bits == 16 {
				pix := make([]uint16, 320*256)
				require.NoError(t, raster.Gray16(t.Context(), pix))
				require.Equal(t, fr.Gray16, pix)
			} else {
				pix := make([]uint8, 320*256)
				require.NoError(t, raster.Gray8(t.Context(), pix))
				require.Equal(t, fr.Gray8, pix)
			}
			_, raster = decoded(t, filepath.Join(dir, "truth", w.Name+".labels.tif"))
			labels := make([]int32, 320*256)
			require.NoError(t, raster.Labels(t.Context(), labels))
			require.Equal(t, fr.Labels, labels)

			var truth Truth
			data, err := os.ReadFile(filepath.Join(dir, "truth", w.Name+".json"))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(data, &truth))
			require.Equal(t, fr.Truth, truth)
			require.Equal(t, *w.Truth, truth)
		}
		require.Equal(t, 3, files(t, filepath.Join(dir, "frames")))
		require.Equal(t, 6, files(t, filepath.Join(dir, "truth")))
	}
}

func TestFramesAreReadByTheDecoder(t *testing.T) {
	for _, bits := range []int{8, 16} {
		m := Microscope{Dir: t.TempDir(), Scene: &Particles{Width: 400, Height: 300, Seed: 3, Bits: bits}, Frames: 1}
		require.NoError(t, m.Run(t.Context(), func(w Written) {
			fr, err := decode.File(t.Context(), w.Path)
			require.NoError(t, err)
			defer fr.Release()
			require.Equal(t, w.Name+".tif", fr.Name)
			require.Equal(t, []int{400, 300}, []int{fr.Width, fr.Height})
			require.Equal(t, bits == 16, fr.Gray16 != nil)
			require.InEpsilon(t, w.Truth.NmPerPx, fr.Meta.NmPerPx, 1e-9)
			require.Equal(t, w.Truth.ImageRows, fr.Meta.ImageRows)
			require.Equal(t, "FEI", fr.Meta.Vendor)
			require.NotZero(t, fr.Meta.HighVoltageV)
			require.NotZero(t, fr.Meta.WorkingDistanceM)
			require.False(t, fr.Meta.AcquiredAt.IsZero())
			labels, width, height, err := decode.Labels(w.Labels)
			require.NoError(t, err)
			require.Equal(t, []int{400, 300}, []int{width, height})
			require.EqualValues(t, w.Truth.Objects, slices.Max(labels))
		}))
	}
}

func files(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		require.False(t, strings.HasPrefix(e.Name(), "."), "a temporary file was left: %s", e.Name())
	}
	return len(entries)
}

func TestTruthIsThereBeforeTheFrame(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "frames"), 0o755))
	stop := make(chan struct{})
	early := make(chan string, 1)
	go func() {
		defer close(early)
		for {
			entries, _ := os.ReadDir(filepath.Join(dir, "frames"))
			for _, e := range entries {
				name := strings.TrimSuffix(e.Name(), ".tif")
				if name == e.Name() {
					continue
				}
				for _, suffix := range []string{".json", ".labels.tif"} {
					if _, err := os.Stat(filepath.Join(dir, "truth", name+suffix)); err != nil {
						early <- e.Name()
						return
					}
				}
			}
			select {
			case <-stop:
				return
			default:
				time.Sleep(time.Millisecond)
			}
		}
	}()
	err := Microscope{Dir: dir, Scene: &Particles{Width: 256, Height: 256}, Frames: 8}.Run(t.Context(), nil)
	close(stop)
	require.NoError(t, err)
	require.Empty(t, <-early)
}

func TestRateIsHonoured(t *testing.T) {
	var at []time.Time
	m := Microscope{Dir: t.TempDir(), Scene: &Particles{Width: 128, Height: 128}, Frames: 5, RateHz: 4}
	require.NoError(t, m.Run(t.Context(), func(w Written) { at = append(at, w.At) }))
	took := at[4].Sub(at[0]).Seconds() // four periods; a busy machine may add to it
	require.Greater(t, took, 0.7)
	require.Less(t, took, 3.0)
}

func TestSlowAppendGrowsUnderItsFinalName(t *testing.T) {
	dir := t.TempDir()
	m := Microscope{Dir: dir, Scene: &Particles{Width: 256, Height: 256, Seed: 1}, Frames: 1, AppendFor: 400 * time.Millisecond}
	done := make(chan error, 1)
	go func() { done <- m.Run(t.Context(), nil) }()
	path := filepath.Join(dir, "frames", "sim_particles_s1_00001.tif")
	sizes := map[int64]bool{}
	for {
		if s, err := os.Stat(path); err == nil {
			sizes[s.Size()] = true
		}
		select {
		case err := <-done:
			require.NoError(t, err)
			require.Greater(t, len(sizes), 5, "it grows in steps")
			decoded(t, path)
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestEndlessRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	m := Microscope{Dir: t.TempDir(), Scene: &Particles{Width: 128, Height: 128}, RateHz: 50}
	require.NoError(t, m.Run(ctx, nil), "an endless run has no other end")

	ctx, cancel = context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	m.Frames, m.RateHz = 2, 0.01
	require.ErrorIs(t, m.Run(ctx, nil), context.DeadlineExceeded)

	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	m = Microscope{Dir: t.TempDir(), Scene: m.Scene, Frames: 1, AppendFor: time.Hour}
	require.ErrorIs(t, m.Run(ctx, nil), context.DeadlineExceeded)
	require.Zero(t, files(t, filepath.Join(m.Dir, "frames")), "no half frame is left")
}

func TestMicroscopeNamesWhatItCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "taken")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	err := Microscope{Dir: file, Scene: &Particles{Width: 128, Height: 128}, Frames: 1}.Run(t.Context(), nil)
	require.ErrorContains(t, err, file)
	require.ErrorContains(t, Microscope{Dir: file}.Run(t.Context(), nil), "no scene")
	require.ErrorContains(t, Microscope{Dir: file, Scene: &Particles{}, RateHz: -1}.Run(t.Context(), nil), "negative")
}
