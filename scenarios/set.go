package scenarios

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/parser"
)

// setPrefix begins the place of a field that was given on the command line.
const setPrefix = "--set "

// set applies one --set key=value. The value is YAML; where a text is expected it need not be quoted.
func (d *decoder) set(s *Scenario, set string) {
	at := setPrefix + set
	key, text, ok := strings.Cut(set, "=")
	if !ok || key == "" {
		d.add(at, "", "is not an assignment, expected key=value, such as events.skew=0.5 or load.0.rate=100")
		return
	}
	v, field := reflect.ValueOf(s).Elem(), ""
	for name := range strings.SplitSeq(key, ".") {
		if v, field, ok = d.step(v, field, name, at); !ok {
			return
		}
	}
	if v.Kind() == reflect.String && !strings.HasPrefix(text, `"`) {
		v.SetString(text)
		d.where[field] = at
		return
	}
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil || len(file.Docs) != 1 || file.Docs[0].Body == nil {
		d.add(at, field, "has no value that is YAML")
		return
	}
	d.value(file.Docs[0].Body, v, field, at)
}

// step goes from a value to a field of it by name, or to an item of it by index.
func (d *decoder) step(v reflect.Value, field, name, at string) (reflect.Value, string, bool) {
	if v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
			d.where[field] = at
		}
		v = v.Elem()
	}
	_, isExpect := v.Interface().(Expect)
	switch {
	case field == "faults" && name == "random" && d.random != nil:
		return reflect.ValueOf(d.random).Elem(), "faults.random", true
	case v.Kind() == reflect.Struct && !isExpect:
		next, ok := fieldByName(v, name)
		if !ok {
			d.unknown(v.Type(), name, join(field, name), at)
		}
		return next, join(field, name), ok
	case v.Kind() == reflect.Slice:
		i, err := strconv.ParseUint(name, 10, 31)
		if err != nil || int(i) >= v.Len() {
			if !slices.Contains(d.failed, field) { // else the list itself is at fault
				d.add(at, join(field, name), "is none of the %d items, expected their numbers, which begin with 0", v.Len())
			}
			return v, "", false
		}
		return v.Index(int(i)), fmt.Sprintf("%s[%d]", field, i), true
	}
	d.add(at, field, "has no field %q", name)
	return v, "", false
}
