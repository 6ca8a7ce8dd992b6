package decode

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRealFilesGiveTheTruePixelSizeAndBar(t *testing.T) {
	dir := shared(t, "vendor")
	f, err := os.Open(filepath.Join(dir, "truth.csv"))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	checked := 0
	for _, row := range rows[1:] {
		vendor := row[column["vendor"]]
		if row[column["nm_per_px_metadata"]] == "" { // only the bar in the pixels tells
			continue
		}
		checked++
		t.Run(row[0], func(t *testing.T) {
			frame, err := File(t.Context(), filepath.Join(dir, row[0]))
			require.NoError(t, err)
			defer frame.Release()
			num := func(name string) float64 {
				v, err := strconv.ParseFloat(row[column[name]], 64)
				require.NoError(t, err)
				return v
			}
			require.Equal(t, int(num("width")), frame.Width)
			require.Equal(t, int(num("height")), frame.Height)
			require.InEpsilon(t, num("nm_per_px_metadata"), frame.Meta.NmPerPx, 1e-4)
			require.InEpsilon(t, num("nm_per_px_metadata"), frame.Meta.NmPerPxY, 1e-4)
			top := num("panel_top_row")
			if vendor == "Zeiss" || vendor == "Hitachi" { // burned in; the metadata do not tell
				require.Zero(t, frame.Meta.ImageRows)
			} else {
				require.EqualValues(t, top, frame.Meta.ImageRows)
			}
			require.Contains(t, frame.Meta.Model, strings.Fields(row[column["model"]])[0])
			require.Positive(t, frame.Meta.HighVoltageV)
			require.Positive(t, frame.Meta.WorkingDistanceM)
			require.NotEmpty(t, frame.Meta.Detector)
			require.False(t, frame.Meta.AcquiredAt.IsZero())
			require.InEpsilon(t, frame.Meta.NmPerPx*1e-9*float64(frame.Width), frame.Meta.HorFieldWidthM, 0.01)
			size := 0
			for k, v := range frame.Meta.Raw {
				size += len(k) + len(v)
			}
			require.LessOrEqual(t, len(frame.Meta.Raw), maxRawKeys)
			require.LessOrEqual(t, size, maxRawBytes)
		})
	}
	require.Equal(t, 9, checked)
}

func TestSmallVendorSamples(t *testing.T) {
	dir := shared(t, "vendor/formats")
	for name, nm := range map[string]float64{
		"FEI-Helios-Ebeam-8bits.tif": 3372.4, "FEI-Helios-Ebeam-16bits.tif": 3372.4, "FEI-Helios-navcam.tif": 263974,
		"FEI-Helios-navcam-with-no-IRBeam-bad-floats.tif": 0,
		"test_tiff_Zeiss_SEM_1k.tif":                      2615, "test_tiff_Zeiss_SEM_512pix.tif": 11.65,
		"olympus_SIS.tif": 0.023927917758761, "test_loading_image_saved_with_DM.tif": 168.67469251, "HAADFscan.mrc": 5.6791313,
		"test_loading_image_saved_with_imageJ.tif": 168.674711, "test_loading_image_saved_with_imageJ_no_scale.tif": 0,
		"dmTest_float32_nonSquare_diffPixelSize.dm3": 1, "dmTest_float32_nonSquare_diffPixelSize.dm4": 1, "temp.mrc": 0.2,
		"EMD-3197.map": 1.14, "../jeol_4700f.tif": 0, // no SM_MICRON_BAR beside it
		"../openfibsem_sem.tif": 97.65625, "../fei_helios_pfib_ibeam.tif": 97.65625, "../fei_helios_pfib_sliceview.tif": 385.4167,
	} {
		frame, err := File(t.Context(), filepath.Join(dir, name))
		require.NoError(t, err, name)
		require.InDelta(t, nm, frame.Meta.NmPerPx, nm*1e-3, name)
		frame.Release()
	}
}

func TestPixelSizesMustBePlausible(t *testing.T) {
	for _, m := range []float64{0, -1e-9, 1e-13, 2e-3, math.NaN(), math.Inf(1)} {
		b := newBuilder(100, 100)
		b.pixel(m, m)
		require.Zero(t, b.meta.NmPerPx)
	}
}

// Pixels of the samples, as DigitalMicrograph's own readers and mrcfile give them, by the rule for floats.
func TestSamplesOfOtherFormatsDecode(t *testing.T) {
	dir := shared(t, "vendor/formats")
	for name, c := range map[string]struct{ frames, width, height int }{
		"dmTest_float32_nonSquare_diffPixelSize.dm3": {1, 128, 64}, "dmTest_float32_nonSquare_diffPixelSize.dm4": {1, 128, 64},
		"temp.mrc": {3, 128, 128}, "EMD-3197.map": {20, 20, 20}, "HAADFscan.mrc": {1, 16, 16}, "olympus_SIS.tif": {1, 112, 101},
	} {
		path := filepath.Join(dir, name)
		n, err := Frames(path)
		require.NoError(t, err, name)
		require.NoError(t, Complete(path), name)
		f, err := File(t.Context(), path)
		require.NoError(t, err, name)
		require.Equal(t, c, struct{ frames, width, height int }{n, f.Width, f.Height}, name)
		lowest, highest := uint16(65535), uint16(0)
		for _, v := range f.Gray16 {
			lowest, highest = min(lowest, v), max(highest, v)
		}
		require.Greater(t, highest, lowest, name)
		f.Release()
	}
	_, err := File(t.Context(), filepath.Join(dir, "08_carbon.dm3"))
	require.ErrorContains(t, err, "spectra")
	_, err = File(t.Context(), filepath.Join(dir, "16_STOimage_1.ser"))
	require.ErrorContains(t, err, "a TIA series (.ser) is not read here; save it as")
}
