// A component that is drawn again only when a property has changed.
import { Component, createElement as h } from 'preact';

export function pure(Draw) {
    return class extends Component {
        shouldComponentUpdate(next) {
            for (const key in next) if (next[key] !== this.props[key]) return true;
            for (const key in this.props) if (!(key in next)) return true;
            return false;
        }
        render(props) {
            return h(Draw, props);
        }
    };
}
