package reporting

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
)

// table holds the pooled columns of one particles.csv.
type table struct {
	columns [][]float64 // by quantity; NaN where the cell is empty
	weights []float64
}

// readTable reads the quantities' columns of a particles.csv, which must have want rows.
func readTable(path string, qs []quantity, want int) (*table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := csv.NewReader(f)
	in.ReuseRecord = true
	head, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	at := make([]int, len(qs))
	for q := range qs {
		at[q] = slices.Index(head, qs[q].column)
	}
	weightAt := slices.Index(head, "weight_ml")
	if weightAt < 0 || slices.Contains(at, -1) {
		return nil, fmt.Errorf("%s: columns are missing", path)
	}
	t := &table{columns: make([][]float64, len(qs))}
	for range want {
		row, err := in.Read()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for q, c := range at {
			t.columns[q] = append(t.columns[q], cell(row[c]))
		}
		t.weights = append(t.weights, cell(row[weightAt]))
	}
	return t, nil
}

func cell(s string) float64 {
	if v, err := strconv.ParseFloat(s, 64); err == nil && !math.IsInf(v, 0) {
		return v
	}
	return math.NaN()
}

// pourInto adds the table to the samples of every quantity, in px and, where there is a scale, in nm.
func (t *table) pourInto(px, nm []sample, qs []quantity, nmPerPx float64) {
	for q, values := range t.columns {
		factor := math.Pow(nmPerPx, float64(qs[q].power))
		for i, v := range values {
			px[q].add(v, t.weights[i])
			if nmPerPx > 0 {
				nm[q].add(v*factor, t.weights[i])
			}
		}
	}
}
