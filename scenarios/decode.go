package scenarios

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// decoder puts the nodes of a file, and of --set, into a Scenario. It goes on after a problem, so that all are reported, and it
// remembers where each field was given, so that what is found wrong later can be located.
type decoder struct {
	file       string
	unlined    bool              // the file is none that anyone could look into
	where      map[string]string // field to "file:line" or "--set key=value"
	failed     []string          // fields with a problem
	problems   []string
	random     *Random // how faults are to be drawn, if the file says so
	scaled     string  // says that durations are after the time scale, if they are
	scaledLoad string  // says that rates are after the load scale, if they are
}

// add notes a problem of a field. The field is empty for a problem of the file as a whole.
func (d *decoder) add(at, field, format string, args ...any) {
	text := at + ": "
	if field != "" {
		text += field + ": "
	}
	d.failed = append(d.failed, field)
	d.problems = append(d.problems, text+fmt.Sprintf(format, args...))
}

// line says where a node is, within something at outer. A --set has no lines.
func (d *decoder) line(n ast.Node, outer string) string {
	if strings.HasPrefix(outer, setPrefix) {
		return outer
	}
	if d.unlined {
		return d.file
	}
	return fmt.Sprintf("%s:%d", d.file, n.GetToken().Position.Line)
}

// value stores a node in v. What it does not mention of a mapping stays as it is.
func (d *decoder) value(n ast.Node, v reflect.Value, field, at string) {
	d.where[field] = at
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.add(at, field, "is an anchor, an alias or a tag, expected a plain value")
		return
	}
	switch v.Interface().(type) {
	case Duration:
		d.duration(n, v, field, at)
		return
	case Rate:
		d.rate(n, v, field, at)
		return
	case []Fault:
		d.faultList(n, v, field, at)
		return
	case Expect:
		d.expect(n, v, field, at)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, v, field, at)
	case reflect.Slice:
		d.list(n, v, field, at)
	case reflect.Array:
		d.array(n, v, field, at)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), field, at)
	case reflect.String:
		if text, ok := textOf(n); ok {
			v.SetString(text)
		} else {
			d.add(at, field, "is %s, expected a text", describe(n))
		}
	case reflect.Float64:
		d.float(n, v, field, at)
	case reflect.Int:
		if i, err := strconv.ParseInt(integerText(n), 10, strconv.IntSize); err == nil {
			v.SetInt(i)
		} else {
			d.add(at, field, "is %s, expected a whole number", describe(n))
		}
	case reflect.Uint64:
		if u, err := strconv.ParseUint(integerText(n), 10, 64); err == nil {
			v.SetUint(u)
		} else {
			d.add(at, field, "is %s, expected a whole number from 0 to 18446744073709551615", describe(n))
		}
	default:
		panic("scenarios: a field of type " + v.Type().String()) // a mistake in scenario.go, which every test meets
	}
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, field, at string) {
	entries, ok := n.(ast.MapNode)
	if !ok {
		d.add(at, field, "is %s, expected a mapping with %s", describe(n), oneOf(fieldNames(v.Type())))
		return
	}
	for iter := entries.MapRange(); iter.Next(); {
		key := iter.Key().GetToken().Value
		path, at := join(field, key), d.line(iter.Key(), at)
		if target, known := fieldByName(v, key); known {
			d.value(iter.Value(), target, path, at) // once: the parser refuses a key that is repeated
		} else {
			d.unknown(v.Type(), key, path, at)
		}
	}
}

// unknown adds the problem of a field that a mapping for the type does not have.
func (d *decoder) unknown(t reflect.Type, key, path, at string) {
	if t == reflect.TypeFor[RuleChange]() && slices.Contains(fixedRules, key) {
		d.add(at, path, "cannot change while a stream runs, since it shapes what is kept of it, expected %s", oneOf(fieldNames(t)))
		return
	}
	d.add(at, path, "is an unknown field, %s", didYouMean(key, fieldNames(t)))
}

func (d *decoder) list(n ast.Node, v reflect.Value, field, at string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.add(at, field, "is %s, expected a list", describe(n))
		return
	}
	// A list replaces what was there. An empty one is nil.
	d.forget(v, field)
	for i, item := range seq.Values {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", field, i), d.line(item, at))
	}
}

// forget empties a list, and what is known of its items.
func (d *decoder) forget(v reflect.Value, field string) {
	v.SetZero()
	maps.DeleteFunc(d.where, func(f, _ string) bool { return partOf(f, field) })
}

// array stores a list that has as many items as there are places.
func (d *decoder) array(n ast.Node, v reflect.Value, field, at string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok || len(seq.Values) != v.Len() {
		d.add(at, field, "is %s, expected a list of %d", describe(n), v.Len())
		return
	}
	for i, item := range seq.Values {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", field, i), d.line(item, at))
	}
}

// faultList stores a list of faults, or how to draw one.
func (d *decoder) faultList(n ast.Node, v reflect.Value, field, at string) {
	d.random = nil
	if _, ok := n.(ast.MapNode); !ok {
		d.list(n, v, field, at)
		return
	}
	d.forget(v, field)
	var drawn struct {
		Random Random `yaml:"random"`
	}
	d.mapping(n, reflect.ValueOf(&drawn).Elem(), field, at)
	d.random = &drawn.Random
}

// exponent is a number that YAML 1.2 takes for one and the parser for a text.
var exponent = regexp.MustCompile(`^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$`)

func (d *decoder) float(n ast.Node, v reflect.Value, field, at string) {
	f, ok := number(n)
	if !ok {
		d.add(at, field, "is %s, expected a number", describe(n))
		return
	}
	v.SetFloat(f)
}

// number is the value of a node that is a finite number.
func number(n ast.Node) (f float64, ok bool) {
	var err error
	switch n := n.(type) {
	case *ast.FloatNode:
		return n.Value, true
	case *ast.IntegerNode:
		f, err = strconv.ParseFloat(integerText(n), 64)
		return f, err == nil
	case *ast.StringNode:
		if n.Token.Type != token.StringType || !exponent.MatchString(n.Value) {
			return 0, false
		}
		f, err = strconv.ParseFloat(n.Value, 64)
		return f, err == nil
	}
	return 0, false
}

func (d *decoder) duration(n ast.Node, v reflect.Value, field, at string) {
	text, ok := textOf(n)
	if integerText(n) == "0" {
		text, ok = "0s", true
	}
	if parsed, err := time.ParseDuration(text); ok && err == nil {
		v.SetInt(int64(parsed))
		return
	}
	d.add(at, field, "is %s, expected a duration with its unit, such as 500ms, 10s or 1m30s", describe(n))
}

func (d *decoder) expect(n ast.Node, v reflect.Value, field, at string) {
	text, ok := textOf(n)
	if !ok {
		d.add(at, field, `is %s, expected a text such as "alert.p99 < 2s"`, describe(n))
		return
	}
	e, err := parseExpect(text)
	if err != nil {
		d.add(at, field, "%v", err)
		return
	}
	v.Set(reflect.ValueOf(e))
}

// fieldNames are the names that a mapping for the type may have.
func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		names = append(names, fieldName(t.Field(i)))
	}
	return names
}

func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

func fieldByName(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if fieldName(v.Type().Field(i)) == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}
