package models_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer/models"
)

func TestEveryEmbeddedNetworkHasAllPrecisionsAndItsScorer(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range models.Names() {
		m, err := models.Load(name)
		require.NoError(t, err)
		require.Equal(t, name, m.Name)
		require.NotEmpty(t, m.Version)
		require.Contains(t, string(m.Scorer[:40]), "features")
		require.Equal(t, models.FP32, m.Form("unheard-of").Precision, "what is taken where nothing wanted is there is always the same")
		for _, precision := range []string{models.FP32, models.FP16, models.INT8} {
			n := m.Form(precision)
			require.Equal(t, precision, n.Precision)
			require.False(t, seen[n.SHA256], "%s %s is the same file as another", name, precision)
			seen[n.SHA256] = true
			one, err := models.Load(name + "-" + precision)
			require.NoError(t, err)
			require.Equal(t, n.SHA256, one.Form().SHA256)
		}
	}
	for _, name := range []string{"", models.DefaultName, "default-int8"} {
		require.True(t, models.Embedded(name), name)
		m, err := models.Load(name)
		require.NoError(t, err)
		require.Equal(t, models.DefaultNetwork, m.Name)
	}
}

func TestOtherNamesAreFiles(t *testing.T) {
	for _, name := range []string{"light-int4", "heavy", "default.onnx", "Light"} {
		require.False(t, models.Embedded(name), name)
		_, err := models.Load(filepath.Join(t.TempDir(), name))
		require.ErrorContains(t, err, `"light"`)
	}
	path := filepath.Join(t.TempDir(), "own-int8.onnx")
	require.NoError(t, os.WriteFile(path, []byte("onnx"), 0o600))
	m, err := models.Load(path)
	require.NoError(t, err)
	require.Equal(t, []string{"own-int8", "file", models.INT8}, []string{m.Name, m.Version, m.Form().Precision})
	require.NotEmpty(t, m.Scorer, "the default network's serves until it has its own")
}
