package agent

import (
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// EnvPrefix starts the environment variables that override configuration keys: AIMSD_MQTT__URL is mqtt.url.
const EnvPrefix = "AIMSD_"

// knownKeys reports the first key of a mapping that the struct v does not have, or whose duration has no
// unit, with its line. The prefix is where the mapping stands: "" or "run.".
func knownKeys(n *yaml.Node, v any, prefix string) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a mapping of keys to values is expected here", n.Line)
	}
	fields := yamlFields(reflect.TypeOf(v))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		f, ok := fields[key.Value]
		if !ok {
			return fmt.Errorf("line %d: unknown key %q; known here: %s", key.Line, key.Value, strings.Join(fieldNames(reflect.TypeOf(v)), ", "))
		}
		switch {
		case f.Type == reflect.TypeFor[time.Duration]():
			if err := duration(value, prefix+key.Value); err != nil {
				return err
			}
		case f.Type.Kind() == reflect.Struct:
			if err := knownKeys(value, reflect.Zero(f.Type).Interface(), prefix+key.Value+"."); err != nil {
				return err
			}
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct && value.Kind == yaml.SequenceNode:
			for _, item := range value.Content {
				if err := knownKeys(item, reflect.Zero(f.Type.Elem()).Interface(), prefix+key.Value+"."); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// duration reports a value that is no duration, and what it should look like.
func duration(n *yaml.Node, key string) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if _, err := time.ParseDuration(n.Value); err == nil && n.Tag != "!!int" {
		return nil
	}
	where := ""
	if n.Line > 0 { // not from the environment
		where = fmt.Sprintf("line %d: ", n.Line)
	}
	if _, err := strconv.ParseFloat(n.Value, 64); err != nil {
		return fmt.Errorf("%s%s: %q is no duration; write one such as 300ms, 10s or 10m", where, key, n.Value)
	}
	unit := "m"
	switch {
	case strings.HasSuffix(key, ".settle"):
		unit = "ms"
	case strings.HasSuffix(key, ".poll"):
		unit = "s"
	}
	return fmt.Errorf("%s%s: %s needs a unit, such as %s%s", where, key, n.Value, n.Value, unit)
}

func yamlFields(t reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for i := range t.NumField() {
		f := t.Field(i)
		if inline(f) {
			maps.Copy(fields, yamlFields(f.Type))
		} else if name := yamlName(f); name != "" {
			fields[name] = f
		}
	}
	return fields
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if f := t.Field(i); inline(f) {
			names = append(names, fieldNames(f.Type)...)
		} else if name := yamlName(f); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// inline reports whether a struct's fields stand among those of the one it is in.
func inline(f reflect.StructField) bool { return f.Tag.Get("yaml") == ",inline" }

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" || !f.IsExported() {
		return ""
	}
	return name
}

// overrideFromEnv sets keys from variables such as AIMSD_MQTT__URL; lists cannot be set this way. Variables
// that name no key of the configuration (AIMSD_ORT_LIB) are left alone unless they hold "__".
func overrideFromEnv(root *yaml.Node, environ []string) error {
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		rest, ok := strings.CutPrefix(name, EnvPrefix)
		if !ok {
			continue
		}
		path := strings.Split(strings.ToLower(rest), "__")
		known := keyExists(reflect.TypeOf(Config{}), path)
		if !known && len(path) == 1 {
			continue
		}
		if !known {
			return fmt.Errorf("environment variable %s: there is no key %s", printable(name), printable(strings.Join(path, ".")))
		}
		if root.Kind == 0 {
			*root = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map"}}}
		}
		setKey(root.Content[0], path, value)
	}
	return nil
}

// printable replaces what would break a line or hide in it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

func keyExists(t reflect.Type, path []string) bool {
	f, ok := yamlFields(t)[path[0]]
	if !ok {
		return false
	}
	if len(path) == 1 {
		return f.Type.Kind() != reflect.Struct && f.Type.Kind() != reflect.Slice
	}
	return f.Type.Kind() == reflect.Struct && keyExists(f.Type, path[1:])
}

func setKey(n *yaml.Node, path []string, value string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == path[0] {
			setValue(n.Content[i+1], path[1:], value)
			return
		}
	}
	child := &yaml.Node{}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: path[0]}, child)
	setValue(child, path[1:], value)
}

func setValue(n *yaml.Node, rest []string, value string) {
	if len(rest) == 0 {
		*n = yaml.Node{Kind: yaml.ScalarNode, Value: value, Line: n.Line}
		return
	}
	if n.Kind != yaml.MappingNode {
		*n = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line}
	}
	setKey(n, rest, value)
}
