package decode

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

func newBuilder(w, h int) builder {
	return builder{meta: &stream.Metadata{}, width: w, height: h}
}

const feiText = "[User]\r\nDate=11/10/2023\r\nTime=02:09:15 PM\r\n[System]\r\nSystemType=Scios\r\n[Beam]\r\nBeam=EBeam\r\nScan=EScan\r\n" +
	"[EBeam]\r\nHV=2000\r\nWD=0.00681643\r\nBeamCurrent=1.4e-011\r\nHFW=0.0004144\r\n[Scan]\r\nDwelltime=1e-006\r\n" +
	"PixelWidth=2.69792e-007\r\nPixelHeight=2.69792e-007\r\n[Stage]\r\nStageT=0.5\r\n[Image]\r\nResolutionX=1536\r\nResolutionY=1024\r\n" +
	"[Detectors]\r\nName=ETD\r\nMode=SE\r\n[PrivateFei]\r\nTimeOfCreation=10.11.2023 14:09:15\r\nDatabarHeight=%d\r\n"

func TestFEIText(t *testing.T) {
	b := newBuilder(1536, 1092)
	b.fei(fmt.Sprintf(feiText, 0))
	m := b.finish()
	require.Equal(t, 269.792, m.NmPerPx)
	require.Equal(t, 1024, m.ImageRows, "a bar although DatabarHeight is 0")
	require.Equal(t, [2]int{1536, 1024}, [2]int{m.Width, m.Height})
	require.Equal(t, "ETD SE", m.Detector)
	require.Equal(t, 2000.0, m.HighVoltageV)
	require.Equal(t, 0.5, m.StageTiltRad)
	require.Equal(t, "2023-11-10 14:09:15", m.AcquiredAt.Format("2006-01-02 15:04:05"))
	require.Equal(t, "Scios", m.Raw["System.SystemType"])
}

func TestFEIBarFollowsTheScale(t *testing.T) {
	for _, c := range []struct{ w, h, bar, want int }{
		{1536, 1024, 68, 0}, // exported without the bar
		{1536, 1092, 68, 1024},
		{1536, 1092, 0, 1024}, // unknown height
		{768, 546, 68, 512},   // scaled by half
		{768, 1024, 68, 0},    // cropped: its place does not follow
		{1000, 1000, 0, 0},
	} {
		require.Equal(t, c.want, feiRows(c.w, c.h, 1536, 1024, c.bar), "%+v", c)
	}
	require.Equal(t, 900, feiRows(1000, 960, 0, 0, 60))
}

func TestFEIXML(t *testing.T) {
	b := newBuilder(1536, 1024)
	b.feiXML(`<?xml version="1.0" encoding="utf-16"?><Metadata><Instrument><InstrumentClass>Helios</InstrumentClass></Instrument>` +
		`<BinaryResult><ImageSize><X>1536</X><Y>1024</Y></ImageSize><PixelSize><X unit="m">9.765625E-08</X><Y unit="m">9.765625E-08</Y></PixelSize></BinaryResult></Metadata>`)
	m := b.finish()
	require.Equal(t, 97.65625, m.NmPerPx)
	require.Equal(t, 1536, m.Width)

	b = newBuilder(1024, 1088)
	b.feiXML(`<FeiImage><pixelWidth unit="um">0.05</pixelWidth><pixelHeight unit="um">0.05</pixelHeight><databarHeight>64</databarHeight>` +
		`<acquisition><scan><acceleratingVoltage unit="kV">-15</acceleratingVoltage></scan></acquisition></FeiImage>`)
	m = b.finish()
	require.Equal(t, 50.0, m.NmPerPx)
	require.Equal(t, 1024, m.ImageRows)
	require.Equal(t, 15000.0, m.HighVoltageV)
}

func TestAnEmptyHeliosTagYieldsToXML(t *testing.T) {
	var data bytes.Buffer
	require.NoError(t, tiff.EncodeGray8(&data, make([]uint8, 100*80), 100, 80, tiff.GrayOptions{ASCII: map[uint16]string{
		tagHelios: " ", tagTitan: `<FeiImage><pixelWidth unit="nm">7</pixelWidth></FeiImage>`,
	}}))
	f, err := File(t.Context(), write(t, "titan.tif", data.Bytes()))
	require.NoError(t, err)
	defer f.Release()
	require.Equal(t, 7.0, f.Meta.NmPerPx)
}

const zeissText = "0\r\n0\r\n0\r\n5.824988e-009\r\n5.0e+004\r\n%s"

func TestZeissText(t *testing.T) {
	b := newBuilder(2048, 1536)
	b.zeiss(fmt.Sprintf(zeissText, "DP_IMAGE_STORE\r\nStore resolution = 2048 * 1536\r\nAP_PIXEL_SIZE\r\nPixel Size = 19.53 nm\r\n"+
		"AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 9.766 nm\r\nAP_WD\r\nWD =  4.6 mm\r\nAP_ACTUALKV\r\nEHT =  5.00 kV\r\n"+
		"AP_STAGE_AT_T\r\nStage at T =   90.0 °\r\nAP_WIDTH\r\nWidth = 20.00 µm\r\nAP_DATE\r\nDate :27 May 2021\r\nAP_TIME\r\nTime :10:23:37\r\n"+
		"DP_DETECTOR_CHANNEL\r\nSignal A = SE2\r\nDP_SEM\r\nSem = Auriga\r\n"))
	m := b.finish()
	require.Equal(t, 9.766, m.NmPerPx)
	require.Equal(t, 5000.0, m.HighVoltageV)
	require.Equal(t, 0.0046, m.WorkingDistanceM)
	require.Equal(t, 2e-5, m.HorFieldWidthM)
	require.InDelta(t, math.Pi/2, m.StageTiltRad, 1e-9)
	require.Equal(t, "2021-05-27 10:23:37", m.AcquiredAt.Format("2006-01-02 15:04:05"))
	require.Equal(t, "SE2", m.Detector)

	b = newBuilder(512, 384) // both unnamed number and AP_PIXEL_SIZE speak of a 1024 px wide display
	b.zeiss(fmt.Sprintf(zeissText, "AP_PIXEL_SIZE\r\nPixel Size = 5.825 nm\r\n"))
	require.InDelta(t, 11.65, b.finish().NmPerPx, 0.001)
}

func TestTESCANBlocks(t *testing.T) {
	data := []byte("\x10\x00\xff\xd8binary\n=\x00\x01\x00\x00\x02\x00AccFrames=2\nDevice=TESCAN AMBER\nImageStripSize=179\nPixelSizeX=0.000000004537772\n" +
		"PixelSizeY=0.000000004537772\nDate=2023-03-24\nTime=08:08:25\n\x00v\x04\x00\x00\x03\x00AcceleratorVoltage=1000.0\nHV=1000.0\nStageTilt=90\nWD=3.8e-3\n\x00")
	b := newBuilder(1536, 1331)
	b.tescan(data)
	m := b.finish()
	require.Equal(t, 4.537772, m.NmPerPx)
	require.Equal(t, 1152, m.ImageRows)
	require.Equal(t, 1000.0, m.HighVoltageV)
	require.Equal(t, "1000.0", m.Raw["AcceleratorVoltage"])
	require.InDelta(t, math.Pi/2, m.StageTiltRad, 1e-9)
}

func TestDescriptions(t *testing.T) {
	b := newBuilder(68, 68)
	b.imageJ("ImageJ=1.52p\nunit=\\u00B5m\nloop=false\n", 100, 100)
	require.Equal(t, 10.0, b.finish().NmPerPx)
	b = newBuilder(68, 68)
	b.imageJ("ImageJ=1.52p\nmin=0\n", 72, 72)
	require.Zero(t, b.finish().NmPerPx, "a resolution without unit is no calibration")
	b = newBuilder(68, 68)
	b.ome(`<?xml version="1.0"?><OME><Image><Pixels SizeX="68" SizeY="68" PhysicalSizeX="0.2" PhysicalSizeY="0.2"/></Image></OME>`, 0)
	require.Equal(t, 200.0, b.finish().NmPerPx)
	b = newBuilder(68, 68)
	b.openFIBSEM(`{"image":{"beam_type":"ION","resolution":[68,68],"hfw":1e-5},"pixel_size":{"x":2e-9,"y":2e-9},"microscope_state":{"ion_beam":{"voltage":30000}}}`)
	require.Equal(t, 2.0, b.finish().NmPerPx)
	require.Equal(t, 30000.0, b.meta.HighVoltageV)
}

// TestOpenFIBSEMVersions reads what OpenFIBSEM's Demo microscope writes, and the layout it had before version 8.
func TestOpenFIBSEMVersions(t *testing.T) {
	const image = `{"shape":[1024,1536],"image":{"beam_type":"ION","resolution":[1536,1024],"dwell_time":1e-06,"hfw":3.3e-05,"path":null},` +
		`"pixel_size":{"x":2.1484375000000003e-08,"y":2.1484375000000003e-08},"microscope_state":{"timestamp":1795896740.75,` +
		`"stage_position":{"name":null,"x":1e-3,"y":0.0,"z":0.0,"r":0.0,"t":0.9,"coordinate_system":"RAW"},"electron_beam":null,` +
		`"ion_beam":{"beam_type":"ION","working_distance":0.0165,"beam_current":2e-11,"voltage":30000},"electron_detector":null,` +
		`"ion_detector":{"type":"ETD","mode":"SecondaryElectrons","brightness":0.5}},`
	for name, system := range map[string]string{
		"v8":     `"version":"v8","system_info":{"name":"lab","ip_address":"localhost","manufacturer":"Demo","model":"DemoMicroscope","application":null},"hardware_geometry":{"fib_column_tilt":52}}`,
		"before": `"version":"v3","system":{"info":{"name":"lab","manufacturer":"Demo","model":"DemoMicroscope"},"ion":{"enabled":true}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuilder(1536, 1024)
			b.openFIBSEM(image + system)
			m := b.finish()
			require.Equal(t, [2]string{"OpenFIBSEM", "Demo DemoMicroscope"}, [2]string{m.Vendor, m.Model})
			require.InDelta(t, 21.484375, m.NmPerPx, 1e-9)
			require.Equal(t, [5]float64{30000, 0.0165, 2e-11, 1e-3, 0.9},
				[5]float64{m.HighVoltageV, m.WorkingDistanceM, m.BeamCurrentA, m.StageXM, m.StageTiltRad})
			require.Equal(t, "ETD SecondaryElectrons", m.Detector)
			require.True(t, time.UnixMilli(1795896740750).Equal(m.AcquiredAt), m.AcquiredAt)
		})
	}
}

func TestQuantities(t *testing.T) {
	for s, want := range map[string]float64{
		"9.766 nm": 9.766e-9, "2.791 µm": 2.791e-6, "2 \u03bcm": 2e-6, "500 pm": 5e-10, "5.00 kV": 5000, "250 pA": 2.5e-10,
		"1.3  Mins": 78, "21.3 Secs": 21.3, "4 pixel": 0, "": 0, "nm": 0, "1 furlong": 0, "-3e-6 m": -3e-6, "100 ns": 1e-7,
	} {
		require.InDelta(t, want, quantity(s), math.Abs(want)*1e-12, s)
	}
}

func TestRawIsBounded(t *testing.T) {
	var s strings.Builder
	s.WriteString("[Scan]\n")
	for i := range 20000 {
		fmt.Fprintf(&s, "Key%d=%s\n", i, strings.Repeat("v", i%5000))
	}
	b := newBuilder(100, 100)
	b.fei(s.String())
	size := 0
	for k, v := range b.meta.Raw {
		size += len(k) + len(v)
	}
	require.LessOrEqual(t, size, maxRawBytes)
	require.LessOrEqual(t, len(b.meta.Raw), maxRawKeys)
}
