package decode

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

const hitachiText = "[SemImageFile]\r\nInstructName=SU8230\r\nDate=2024/02/29\r\nTime=10:11:12\r\nDataSize=1280x960\r\nPixelSize=24.8\r\n" +
	"SignalName=SE(UL)\r\nAcceleratingVoltage=15000 Volt\r\nWorkingDistance=8100 um\r\nStagePositionX=17500000\r\nStagePositionT=30.0\r\n"

// 1µm in Latin-1, as the instrument writes it.
const jeolText = "$SEM_DATA_VERSION 1\r\n$CM_ACCEL_VOLT 5.00\r\n$$SM_WD 9.07\r\n$CM_MAG 10000\r\n$CM_INSTRUMENT 7900F\r\n" +
	"$$SM_MICRON_BAR 120\r\n$$SM_MICRON_MARKER 1\xb5m\r\n$CM_FULL_SIZE 1280 960\r\n$CM_SIGNAL SEI\r\n$CM_DATE 2025/11/20\r\n$CM_TIME 13:42:14\r\n"

const tescanText = "[MAIN]\nDate=2023-04-05\nTime=06:07:08\nDevice=VEGA3\nPixelSizeX=2.5e-009\nPixelSizeY=2.5e-009\nImageStripSize=20\n[SEM]\nHV=20000.0\nWD=0.012\nStageX=0.001\nDetector=SE\n"

func utf16LE(s string) []byte {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

func TestSidecarsOfEveryVendorDescribeTheirImage(t *testing.T) {
	img := tiff8(t, 1280, 980, tiff.GrayOptions{})
	for name, c := range map[string]struct {
		file    string
		content []byte
		vendor  string
		nm      float64
		rows    int
		hv, wd  float64
		at      string
	}{
		"Hitachi, UTF-16":   {"a.txt", utf16LE(hitachiText), "Hitachi", 24.8, 960, 15000, 0.0081, "2024-02-29 10:11:12"},
		"Hitachi, ASCII":    {"a.txt", []byte(hitachiText), "Hitachi", 24.8, 960, 15000, 0.0081, "2024-02-29 10:11:12"},
		"JEOL":              {"a.txt", []byte(jeolText), "JEOL", 1000.0 / 120, 960, 5000, 0.00907, "2025-11-20 13:42:14"},
		"JEOL, one dollar":  {"a.TXT", bytes.ReplaceAll([]byte(jeolText), []byte("$$"), []byte("$")), "JEOL", 1000.0 / 120, 960, 5000, 0.00907, "2025-11-20 13:42:14"},
		"TESCAN":            {"a.hdr", []byte(tescanText), "TESCAN", 2.5, 960, 20000, 0.012, "2023-04-05 06:07:08"},
		"TESCAN, extension": {"a-tif.hdr", []byte(tescanText), "TESCAN", 2.5, 960, 20000, 0.012, "2023-04-05 06:07:08"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "a.tif", img)
			require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), c.file), c.content, 0o600))
			f, err := File(t.Context(), path)
			require.NoError(t, err)
			defer f.Release()
			m := f.Meta
			require.Equal(t, c.vendor, m.Vendor)
			require.InEpsilon(t, c.nm, m.NmPerPx, 1e-9)
			require.Equal(t, []any{c.rows, c.hv, c.wd, c.at}, []any{m.ImageRows, m.HighVoltageV, m.WorkingDistanceM, m.AcquiredAt.Format("2006-01-02 15:04:05")})
			require.NotEmpty(t, m.Detector)
		})
	}
}

func TestSidecarsFillGapsOnly(t *testing.T) {
	imageJ := tiff8(t, 128, 100, tiff.GrayOptions{Description: "ImageJ=1.53\nunit=nm\n"}) // 1 px/nm in the resolution
	fei := tiff8(t, 128, 100, tiff.GrayOptions{ASCII: map[uint16]string{tagHelios: "[Scan]\nPixelWidth=3e-9\nPixelHeight=3e-9\n[Beam]\nHV=777\n"}})
	for name, c := range map[string]struct {
		img    []byte
		text   string
		nm, hv float64
	}{
		"before general software": {imageJ, hitachiText, 24.8, 15000},
		"after the instrument":    {fei, hitachiText, 3, 777},
		"a note is no sidecar":    {imageJ, "grains of batch 7, PixelSize=99", 1, 0},
	} {
		path := write(t, "a.tif", c.img)
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "a.txt"), []byte(c.text), 0o600))
		f, err := File(t.Context(), path)
		require.NoError(t, err)
		require.Equal(t, []float64{c.nm, c.hv}, []float64{f.Meta.NmPerPx, f.Meta.HighVoltageV}, name)
		f.Release()
	}
}

func TestImagesAreWaitedForWhereTheirKindComesWithASidecar(t *testing.T) {
	plain := tiff8(t, 80, 80, tiff.GrayOptions{})
	dir := t.TempDir()
	put := func(name string, data []byte, age time.Duration) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		then := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(path, then, then))
		return path
	}
	var s Sidecars
	require.False(t, s.Awaited(put("1.tif", plain, 0)), "nothing tells of a sidecar")
	require.True(t, s.Awaited(put("2.tif", tiff8(t, 80, 80, tiff.GrayOptions{Software: "JEOL SEM"}), 0)), "the content names the instrument")
	require.False(t, s.Awaited(put("3.tif", tiff8(t, 80, 80, tiff.GrayOptions{
		Software: "TESCAN", ASCII: map[uint16]string{tagHelios: "[Scan]\nPixelWidth=3e-9\n"},
	}), 0)), "the content has the pixel size")
	require.False(t, s.Awaited(filepath.Join(dir, "gone.tif")))

	pictured := Sidecars{Panel: func(f *stream.Frame) bool { return f.Width == 80 }}
	require.True(t, pictured.Awaited(put("1.tif", plain, 0)), "an instrument's picture without metadata")
	looks := 0
	pictured = Sidecars{Panel: func(*stream.Frame) bool { looks++; return false }}
	for range 9 {
		require.False(t, pictured.Awaited(filepath.Join(dir, "1.tif")))
	}
	require.Equal(t, maxLooks, looks, "images without a bar are not looked at for ever")

	put("1.txt", []byte("a note"), time.Hour)
	s = Sidecars{}
	require.False(t, s.Awaited(put("4.tif", plain, 0)), "a neighbour has a note only")
	put("1.txt", []byte(hitachiText), time.Hour)
	s = Sidecars{}
	require.True(t, s.Awaited(put("4.tif", plain, 0)), "a neighbour has a sidecar")
	require.False(t, s.Awaited(put("4.bmp", plain, 0)), "of its own kind")
	put("4.txt", []byte(hitachiText), 0)
	require.True(t, s.Awaited(filepath.Join(dir, "4.tif")), "it was written just now")
	put("4.txt", []byte(hitachiText), time.Second)
	require.False(t, s.Awaited(filepath.Join(dir, "4.tif")), "it is there")
	elsewhere := write(t, "5.tif", plain)
	require.True(t, s.Awaited(elsewhere), "images of this kind have come with one")
	for range maxMisses {
		s.Missed(elsewhere)
	}
	require.False(t, s.Awaited(elsewhere), "no longer")
	require.False(t, s.Awaited(filepath.Join(dir, "4.tif")))
	require.True(t, s.Awaited(elsewhere), "until one is seen again")
}

func TestTextIsReadInTheEncodingsOfInstruments(t *testing.T) {
	for _, p := range [][]byte{utf16LE("µm a"), utf16LE("µm a")[2:], []byte("µm a"), []byte("\xb5m a"), []byte("\xef\xbb\xbfµm a"), {0xfe, 0xff, 0, 0xb5, 0, 'm', 0, ' ', 0, 'a'}} {
		require.Equal(t, "µm a", unicodeText(p))
	}
	require.Empty(t, unicodeText(nil))
}
