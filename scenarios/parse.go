package scenarios

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile is far more than a scenario needs.
const maxFile = 64 << 10

// Load reads a scenario by its name in the catalogue or from a file, and applies the sets as Parse does. Any error is an
// *Error.
func Load(nameOrPath string, sets ...string) (*Scenario, error) {
	for _, e := range Catalogue() {
		if e.Name == nameOrPath {
			return Parse(e.Name+".yaml", []byte(e.Text), sets...)
		}
	}
	data, err := os.ReadFile(nameOrPath)
	if errors.Is(err, os.ErrNotExist) && !strings.ContainsAny(nameOrPath, "./\\") {
		return nil, unknownName(nameOrPath)
	}
	if err != nil {
		return nil, errorf("scenario: %v", err)
	}
	return Parse(nameOrPath, data, sets...)
}

// Parse makes a scenario of a file's contents. Each of sets has the form key=value and overrides one field afterwards, the key
// being a path such as events.skew or load.0.rate. What neither gives has its default. Random faults are drawn and the scales
// applied, so the durations and rates of the result are the real ones and its scales are 1. Any error is an *Error with all
// problems found.
func Parse(filename string, data []byte, sets ...string) (*Scenario, error) {
	d := &decoder{file: filename}
	return d.scenario(data, sets)
}

func (d *decoder) scenario(data []byte, sets []string) (*Scenario, error) {
	s := defaults()
	d.where = map[string]string{}
	root := d.parse(data)
	if root != nil {
		d.value(root, reflect.ValueOf(&s).Elem(), "", d.file)
	}
	if d.hasFailed("") { // there is nothing to go on with
		return nil, &Error{Problems: d.problems}
	}
	for _, set := range sets {
		d.set(&s, set)
	}
	if s.Name == "" && d.where["name"] == "" {
		s.Name = strings.TrimSuffix(filepath.Base(d.file), filepath.Ext(d.file))
	}
	d.validate(&s)
	if len(d.problems) > 0 {
		return nil, &Error{Problems: d.problems}
	}
	return &s, nil
}

// Marshal writes the scenario as YAML that Parse reads back identically.
func (s *Scenario) Marshal() ([]byte, error) {
	// Texts are always quoted: left to itself the library writes some that it then does not read, such as "? a".
	quoted := func(text string) ([]byte, error) { return []byte(strconv.Quote(text)), nil }
	return yaml.MarshalWithOptions(s, yaml.CustomMarshaler(quoted))
}

// parse returns the root of the one document in data, or nil after adding a problem.
func (d *decoder) parse(data []byte) ast.Node {
	switch {
	case len(data) > maxFile:
		d.add(d.file, "", "has %d bytes, expected a scenario of at most %d", len(data), maxFile)
		return nil
	case !utf8.Valid(data):
		d.add(d.file, "", "is not UTF-8, expected a scenario in YAML")
		return nil
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		at, message := d.file, err.Error()
		var bad yaml.Error
		if errors.As(err, &bad) {
			message = bad.GetMessage()
			if t := bad.GetToken(); t != nil {
				at = fmt.Sprintf("%s:%d", d.file, t.Position.Line)
			}
		}
		d.add(at, "", "is not YAML: %s", message)
		return nil
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			d.add(d.line(doc.Body, ""), "", "begins a second document, expected one scenario in a file")
			return nil
		}
		root = doc.Body
	}
	if root == nil {
		d.add(d.file, "", "is empty, expected a scenario with at least a load, such as load: [{for: 20s, rate: 5000}]")
	}
	return root
}
