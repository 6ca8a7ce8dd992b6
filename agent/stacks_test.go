package agent

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream/decode"
)

// mrcStack makes an MRC of n sections of 8-bit pixels.
func mrcStack(w, h, n int) []byte {
	head := make([]byte, 1024)
	for i, v := range []int{w, h, n, 0, 0, 0, 0, w, h, n} {
		binary.LittleEndian.PutUint32(head[4*i:], uint32(v))
	}
	copy(head[208:], "MAP DD")
	return append(head, make([]byte, w*h*n)...)
}

func TestEveryFrameOfAStackIsAnInput(t *testing.T) {
	dir := t.TempDir()
	stack, single := filepath.Join(dir, "stack.mrc"), filepath.Join(dir, "single.mrc")
	require.NoError(t, os.WriteFile(stack, mrcStack(80, 70, 12), 0o600))
	require.NoError(t, os.WriteFile(single, mrcStack(80, 70, 1), 0o600))
	broken := filepath.Join(dir, "zz.tif")
	require.NoError(t, os.WriteFile(broken, []byte("II*\x00"), 0o600))
	inputs := everyFrame(listInputs([]string{dir}, "out"))
	require.Len(t, inputs, 14)
	require.Equal(t, input{path: single}, inputs[0])
	require.Equal(t, input{path: stack, page: 2, pages: 12}, inputs[2])
	require.Equal(t, []string{"stack.mrc.p02", stack + "#page=2", stack + "#page=2"}, []string{inputs[2].name(), inputs[2].id(), inputs[2].label()})
	require.Equal(t, input{path: broken}, inputs[13], "it fails when it is decoded")

	b := &batch{}
	f, _, err := b.open(t.Context(), inputs[2])
	require.NoError(t, err)
	require.Equal(t, []any{"stack.mrc.p02", 2, 12}, []any{f.Name, f.Page, f.Pages})
	f.Release()

	var out, errs bytes.Buffer
	require.Error(t, printScales(t.Context(), ScalePolicy{}, inputs, &out, &errs), "one of the files is broken")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 13)
	require.Contains(t, lines[0], `"nm_per_px":null`)
	require.NotContains(t, lines[0], `"page"`)
	require.Contains(t, lines[12], `stack.mrc","page":12,`)
	require.Contains(t, errs.String(), broken)
}

func TestReportsTellThePagesOfAFileApart(t *testing.T) {
	require.Equal(t, "/d/stack.tif#page=7", pagePath("/d/stack.tif", "stack.tif.p07"))
	require.Equal(t, "/d/a.tif", pagePath("/d/a.tif", "a.tif"))
	require.Equal(t, "/d/a.tif", pagePath("/d/a.tif", "a.tif.part"))
	require.Empty(t, pagePath("", "x.p1"))
}

func TestInstrumentsPicturesWithoutMetadataWaitForTheirSidecar(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "data", "vendor")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: real microscope files are not here (%s)", dir)
	}
	for name, want := range map[string]bool{"hitachi_fesem_4.tif": true, "hitachi_tm4000_x600.tif": false, "zeiss_auriga.tif": false} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		require.Equal(t, want, (&decode.Sidecars{Panel: hasPanel}).Awaited(path), name)
	}
}
