package scalebar

import (
	"path/filepath"
	"testing"
)

// BenchmarkRead reads real frames: with a panel, with a bar on the image, and one without a bar.
func BenchmarkRead(b *testing.B) {
	data := sharedData(b)
	for name, path := range map[string]string{
		"jeol 1280x960":      "vendor/jeol_4700f.tif",
		"crossbeam 1024x768": "vendor/zeiss_crossbeam550.tif",
		"fesem 1280x960":     "vendor/hitachi_fesem_4.tif",
		"powder 1536x1024":   "",
		"literature 513x512": "segmentation/emps/img/9c9d1af243.png",
		"no bar, 8k mosaic":  "mosaic",
	} {
		var img Image
		switch path {
		case "":
			files, _ := filepath.Glob(filepath.Join(data, "segmentation/ampis_powder/img/*.png"))
			if len(files) == 0 {
				continue
			}
			img = readPNG(b, files[0])
		case "mosaic":
			tile := readPNG(b, filepath.Join(data, "segmentation/emps/img/9c9d1af243.png"))
			img = Image{Width: 8192, Height: 8192, Gray8: make([]uint8, 8192*8192)}
			for y := range img.Height {
				for x := range img.Width {
					img.Gray8[y*img.Width+x] = tile.Gray8[(y%300)*tile.Width+x%tile.Width]
				}
			}
		default:
			if filepath.Ext(path) == ".png" {
				img = readPNG(b, filepath.Join(data, path))
			} else {
				img = readTIFF(b, filepath.Join(data, path))
			}
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Read(img); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
