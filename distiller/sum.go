package distiller

import "fmt"

// newSum takes no parameters.
func newSum(parameters map[string]any) (TraitPlugin, error) {
	for name := range parameters {
		return nil, fmt.Errorf("%s: it has no parameters", name)
	}
	return TraitPluginFunc(sum), nil
}

// sum adds up, as integers, the values that a trait's fields lead to: the plugin
// "sum".
func sum(matches []Match) (any, error) {
	if len(matches) == 0 {
		return nil, nil
	}
	total := int64(0)
	for _, m := range matches {
		v, err := fromAny(m.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		whole, err := toInt(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		n := whole.(int64)
		if (total+n > total) != (n > 0) {
			return nil, fmt.Errorf("%s: the sum does not fit into a 64-bit integer", m.Path)
		}
		total += n
	}
	return total, nil
}
