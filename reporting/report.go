package reporting

import (
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"io"
)

//go:embed report.gohtml
var reportPage string

// writeReport writes report.html: one file, without scripts and without anything loaded from elsewhere, so
// that it can be mailed, archived and printed. Links lead to the inputs' folders beside it.
func writeReport(w io.Writer, dir string, b *Batch, p *pool) error {
	page, err := template.New("report").Parse(reportPage)
	if err != nil {
		return fmt.Errorf("report template: %w", err)
	}
	return page.Execute(w, reportOf(dir, b, p))
}
