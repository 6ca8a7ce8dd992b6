package reporting

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/uni-aims/aimsd/metrics"
)

// summaryHeader is the first line of summary.csv; millingHeader follows where something is milled. Columns are only ever
// added at its end.
func summaryHeader() []string {
	return []string{
		"path", "folder", "status", "error", "objects", "edge_objects", "nm_per_px", "scale_source",
		"ecd_p10_px", "ecd_p50_px", "ecd_p90_px", "ecd_mean_px", "ecd_sd_px",
		"ecd_p10_nm", "ecd_p50_nm", "ecd_p90_nm", "ecd_mean_nm", "ecd_sd_nm",
		"area_fraction", "density_per_um2", "confidence", "image_quality",
		"width_px", "height_px", "analysed_area_px", "total_ms", "sha256", "frame_id", "time",
	}
}

// writeSummaryCSV writes one row per input, the failed ones included (RFC 4180, UTF-8, "." for decimals;
// undefined values are empty).
func writeSummaryCSV(w io.Writer, b *Batch) error {
	out, header := csv.NewWriter(w), summaryHeader()
	columns, milled := len(header), b.milled()
	if milled {
		header = append(header, millingHeader()...)
	}
	if err := out.Write(header); err != nil {
		return err
	}
	for i := range b.Inputs {
		row := summaryRow(&b.Inputs[i], columns)
		if milled {
			row = append(row, b.Inputs[i].Milling.row()...)
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// summaryRow fills the given number of columns.
func summaryRow(in *BatchInput, columns int) []string {
	row := make([]string, columns)
	row[0], row[1], row[2], row[3] = in.Path, in.Folder, in.Status, in.Error
	r := in.Result
	if r == nil {
		return row
	}
	moment := ""
	if !r.Time.IsZero() {
		moment = r.Time.UTC().Format(timeLayout)
	}
	px, nm := r.Statistics["ecd_px"], metrics.Stat{}
	if in.nmPerPx() > 0 {
		nm = scaledStat(px, in.nmPerPx())
	}
	copy(row[4:], []string{
		strconv.Itoa(r.Objects), strconv.Itoa(in.edgeObjects()), number(r.Scale.NmPerPx), r.Scale.Source,
		number(px.P10), number(px.P50), number(px.P90), number(px.Mean), number(px.SD),
		number(nm.P10), number(nm.P50), number(nm.P90), number(nm.Mean), number(nm.SD),
		number(r.AreaFraction), number(r.DensityPerUm2), number(r.Confidence), strings.Join(r.ImageQuality, " "),
		strconv.Itoa(r.Image.Width), strconv.Itoa(r.Image.Height), strconv.Itoa(r.Image.Analysed.AreaPx),
		strconv.FormatFloat(r.TimingsMs.Total, 'f', 1, 64), r.Image.SHA256, r.FrameID, moment,
	})
	return row
}

const timeLayout = "2006-01-02T15:04:05.000Z"

// number writes what can be read back to seven significant digits, and nothing for undefined.
func number(v *float64) string {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return ""
	}
	return strconv.FormatFloat(*v, 'g', 7, 64)
}

// scaledStat multiplies a length's statistics by f.
func scaledStat(s metrics.Stat, f float64) metrics.Stat {
	s.Min, s.Max, s.Mean, s.SD = times(s.Min, f), times(s.Max, f), times(s.Mean, f), times(s.SD, f)
	s.P10, s.P50, s.P90 = times(s.P10, f), times(s.P50, f), times(s.P90, f)
	return s
}
