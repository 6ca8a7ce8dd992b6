package reporting

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics"
)

// batchInput is an ok input as a store returns it.
func batchInput(in Input, folder string) BatchInput {
	b := BatchInput{Path: in.Path, Folder: folder, Status: StatusOK, Result: in.Result}
	for i := range in.Objects {
		b.Sizes.ECDPx = append(b.Sizes.ECDPx, float32(in.Objects[i].ECD))
		b.Sizes.WeightML = append(b.Sizes.WeightML, float32(in.Objects[i].WeightML))
	}
	return b
}

// testBatch writes three good inputs (0.5, 2 and no nm/px), a blank one, and adds a failed one.
func testBatch(t *testing.T, dir string, nmPerPx ...float64) Batch {
	t.Helper()
	o := openFolder(t, dir)
	b := Batch{
		Run:  RunRecord{ID: "R1", OpenedAt: time.Unix(1_800_000_000, 0), ClosedAt: time.Unix(1_800_000_060, 0), Reason: "end"},
		Site: "lab-a", Instrument: "fib-01", Version: "0.1.0", ConfigHash: "c0ffee", Mode: "particles",
		Model: &Model{Name: "flow", Version: "1", SHA256: "beef", Precision: "fp32", Provider: "cpu"},
	}
	for i, nm := range nmPerPx {
		in := blobInput(t, "/data/"+string(rune('a'+i))+".tif", 25+i, nm)
		folder, err := o.Write(t.Context(), in)
		require.NoError(t, err)
		b.Inputs = append(b.Inputs, batchInput(in, folder))
	}
	blank := measured(t, "/data/blank.tif", make([]int32, 64*64), make([]uint8, 64*64), 64, 64, 0)
	blank.Result.ImageQuality = []string{"blank"}
	folder, err := o.Write(t.Context(), blank)
	require.NoError(t, err)
	b.Inputs = append(b.Inputs, batchInput(blank, folder),
		BatchInput{Path: "/data/<script>alert(1)</script>&torn.tif", Status: StatusFailed, Error: "the file is cut off at 12 bytes; copy it again"})
	return b
}

func readSummary(t *testing.T, dir string) (s summary) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, SummaryJSONFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &s))
	return s
}

func TestSummariesAgreeWithTheResults(t *testing.T) {
	dir := t.TempDir()
	b := testBatch(t, dir, 0.5, 2)
	require.NoError(t, WriteBatch(dir, b))

	text, err := os.ReadFile(filepath.Join(dir, SummaryCSVFile))
	require.NoError(t, err)
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"path", "folder", "status", "error", "objects"}, rows[0][:5])
	require.Len(t, rows, len(b.Inputs)+1)
	at := func(row int, column string) string {
		for i, name := range rows[0] {
			if name == column {
				return rows[row][i]
			}
		}
		t.Fatalf("no column %s", column)
		return ""
	}
	first := b.Inputs[0].Result
	require.Equal(t, strconv.Itoa(first.Objects), at(1, "objects"))
	require.Equal(t, "0.5", at(1, "nm_per_px"))
	p50, err := strconv.ParseFloat(at(1, "ecd_p50_nm"), 64)
	require.NoError(t, err)
	require.InEpsilon(t, *first.Statistics["ecd_nm"].P50, p50, 1e-5)
	require.Equal(t, "0", at(3, "objects"), "a blank frame is no failure")
	require.Equal(t, "blank", at(3, "image_quality"))
	require.Empty(t, at(3, "ecd_p50_px"))
	require.Equal(t, []string{b.Inputs[3].Path, "", "failed", b.Inputs[3].Error, ""}, rows[4][:5])

	s := readSummary(t, dir)
	require.Equal(t, BatchSchema, s.Schema)
	require.Equal(t, counts{Total: 4, OK: 3, Failed: 1}, s.Inputs)
	require.Equal(t, first.Objects+b.Inputs[1].Result.Objects, s.Objects)
	require.Equal(t, "ecd_nm", s.Primary)
	require.Equal(t, s.Objects, s.Statistics["ecd_nm"].N+s.Statistics["ecd_nm"].NExcluded)
	require.Len(t, s.Rows, 4)
	require.Contains(t, s.Statistics, "sphericity")
	require.NotContains(t, string(text), "NaN")
}

func TestTheSummaryIsUTF8WhateverFilesAreCalled(t *testing.T) {
	dir := t.TempDir()
	name := "/data/bad\xff.tif"
	require.NoError(t, WriteBatch(dir, Batch{Inputs: []BatchInput{{Path: name, Status: StatusFailed, Error: name + ": torn"}}}))
	for _, file := range []string{SummaryCSVFile, SummaryJSONFile, ReportFile} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		require.True(t, utf8.Valid(text), file)
		require.Contains(t, strings.ReplaceAll(string(text), `\ufffd`, "\uFFFD"), "/data/bad\uFFFD.tif", file)
	}
}

func TestPoolingOneInputGivesThatInputsStatistics(t *testing.T) {
	dir := t.TempDir()
	b := testBatch(t, dir, 0.7)
	require.NoError(t, WriteBatch(dir, b))
	s, want := readSummary(t, dir), b.Inputs[0].Result
	for column, got := range s.Statistics {
		require.Equal(t, want.Statistics[column].N, got.N, column)
		for _, pair := range [][2]*float64{
			{want.Statistics[column].Mean, got.Mean},
			{want.Statistics[column].SD, got.SD},
			{want.Statistics[column].P10, got.P10},
			{want.Statistics[column].P90, got.P90},
			{want.Statistics[column].Max, got.Max},
		} {
			if pair[0] != nil && pair[1] != nil {
				require.InEpsilon(t, *pair[0], *pair[1], 1e-4, column) // the table has 7 digits
			} else {
				require.Equal(t, pair[0] == nil, pair[1] == nil, column)
			}
		}
	}
	require.InEpsilon(t, *want.DensityPerUm2, *s.DensityPerUm2, 1e-5)
}

func TestPercentilesAreThoseOfMetrics(t *testing.T) {
	s := sample{[]float64{3, 1, math.NaN(), 2, 9, 4}, []float64{1, 2, 1, 0.5, 0, 3}}
	stat := describe(s)
	require.Equal(t, 4, stat.N)
	require.Equal(t, 2, stat.NExcluded)
	for p, got := range map[float64]*float64{0.1: stat.P10, 0.5: stat.P50, 0.9: stat.P90} {
		want, _ := metrics.QuantileHazen(s.values, s.weights, p)
		require.InDelta(t, want, *got, 1e-12)
	}
	require.Nil(t, describe(sample{[]float64{5}, []float64{1}}).SD)
	require.Zero(t, describe(sample{}).N)
}

func TestUnscaledInputsDecideThePrimaryDiameter(t *testing.T) {
	dir := t.TempDir()
	b := testBatch(t, dir, 0.5, 0)
	require.NoError(t, WriteBatch(dir, b))
	s := readSummary(t, dir)
	require.Equal(t, "ecd_px", s.Primary)
	require.Equal(t, 1, s.InputsWithScale)
	require.Equal(t, 1, s.InputsWithoutScale)
	require.Less(t, s.Statistics["ecd_nm"].N, s.Statistics["ecd_px"].N)

	none := t.TempDir()
	require.NoError(t, WriteBatch(none, testBatch(t, none, 0)))
	require.NotContains(t, readSummary(t, none).Statistics, "ecd_nm")
	require.Nil(t, readSummary(t, none).DensityPerUm2)
}

func TestTheSameBatchGivesTheSameBytes(t *testing.T) {
	dir := t.TempDir()
	b := testBatch(t, dir, 0.5, 2)
	var first [3][]byte
	for round := range 2 {
		require.NoError(t, WriteBatch(dir, b))
		for i, name := range []string{SummaryCSVFile, SummaryJSONFile, ReportFile} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			if round == 0 {
				first[i] = text
			}
			require.Equal(t, string(first[i]), string(text), name)
		}
	}
	require.NotContains(t, entries(t, dir), tempPrefix)
}

func TestABatchWithoutItsTablesStillHasItsDiameters(t *testing.T) {
	dir := t.TempDir()
	b := testBatch(t, dir, 0.5)
	require.NoError(t, os.Remove(filepath.Join(dir, "a.tif", ParticlesFile)))
	require.NoError(t, WriteBatch(dir, b))
	s := readSummary(t, dir)
	require.Equal(t, b.Inputs[0].Result.Statistics["ecd_px"].N, s.Statistics["ecd_px"].N)
	require.Zero(t, s.Statistics["sphericity"].N)
}

func TestABatchThatCannotBeTrueIsRefused(t *testing.T) {
	require.Error(t, WriteBatch(t.TempDir(), Batch{Inputs: []BatchInput{{Path: "a", Status: StatusOK}}}))
	require.Error(t, WriteBatch(t.TempDir(), Batch{Inputs: []BatchInput{{Path: "a", Status: StatusFailed, Sizes: Sizes{ECDPx: []float32{1}}}}}))
}
