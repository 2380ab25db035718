// Signal flags of the International Code, on a square of 24. Everybody wears the flag of their initial; the page's
// own mark is K: “I wish to communicate with you.”
import { hueOf } from '../logic/identity.js';

const W = 'f-w',
    B = 'f-b',
    R = 'f-r',
    Y = 'f-y',
    K = 'f-k';
const field = (color) => <path class={color} d="M0 0h24v24H0z" />;
const box = (color, x, y, w, h) => <rect class={color} x={x} y={y} width={w} height={h} />;
const rows = (...colors) =>
    colors.map((color, i) => box(color, 0, (24 / colors.length) * i, 24, 24 / colors.length + 0.1));
const columns = (...colors) =>
    colors.map((color, i) => box(color, (24 / colors.length) * i, 0, 24 / colors.length + 0.1, 24));
const quarters = (a, b, c, d) => [
    box(a, 0, 0, 12, 12),
    box(b, 12, 0, 12, 12),
    box(c, 0, 12, 12, 12),
    box(d, 12, 12, 12, 12),
];
const shape = (color, d) => <path class={color} d={d} />;
const saltire = (color) =>
    shape(
        color,
        'M0 0h4.500L12 7.500 19.500 0H24v4.500L16.500 12l7.500 7.500V24h-4.500L12 16.500 4.500 24H0v-4.500L7.500 12 0 4.500z',
    );
const cross = (color) => shape(color, 'M9 0h6v9h9v6h-9v9H9v-9H0V9h9z');

const FLAGS = {
    A: [field(W), shape(B, 'M12 0h12l-6 12 6 12H12z')],
    B: [field(R)],
    C: rows(B, W, R, W, B),
    D: [field(Y), box(B, 0, 6, 24, 12)],
    E: rows(B, R),
    F: [field(W), shape(R, 'M12 1l11 11-11 11L1 12z')],
    G: columns(Y, B, Y, B, Y, B),
    H: columns(W, R),
    I: [field(Y), <circle class={K} cx="12" cy="12" r="6" />],
    J: rows(B, W, B),
    K: columns(Y, B),
    L: quarters(Y, K, K, Y),
    M: [field(B), saltire(W)],
    N: [field(W), ...[0, 1, 2, 3].flatMap((y) => [0, 2].map((x) => box(B, (x + (y % 2)) * 6, y * 6, 6, 6)))],
    O: [field(R), shape(Y, 'M0 0v24h24z')],
    P: [field(B), box(W, 7, 7, 10, 10)],
    Q: [field(Y)],
    R: [field(R), cross(Y)],
    S: [field(W), box(B, 7, 7, 10, 10)],
    T: columns(R, W, B),
    U: quarters(R, W, W, R),
    V: [field(W), saltire(R)],
    W: [field(B), box(W, 4.5, 4.5, 15, 15), box(R, 9, 9, 6, 6)],
    X: [field(W), cross(B)],
    Y: [field(Y), shape(R, 'M0 0h4L0 4zM12 0h8L0 20v-8zM24 4v8L12 24H4zM24 20v4h-4z')],
    Z: [field(Y), shape(K, 'M0 0v24l12-12z'), shape(B, 'M24 0v24L12 12z'), shape(R, 'M0 24h24L12 12z')],
};

const HUES = 8;

export function Flag({ name, isStranger }) {
    const initial = [...name.normalize('NFD').toUpperCase()][0] ?? '?';
    if (!isStranger && FLAGS[initial]) {
        return (
            <svg class="flag" viewBox="0 0 24 24" preserveAspectRatio="none" aria-hidden="true">
                {FLAGS[initial]}
            </svg>
        );
    }
    return (
        <span class={`flag flag-letter hue-${hueOf(name, HUES)} ${isStranger ? 'is-stranger' : ''}`} aria-hidden="true">
            {isStranger ? '?' : initial}
        </span>
    );
}

export function Mark() {
    return (
        <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
            <clipPath id="mark">
                <path d="M8 3h16a6 6 0 0 1 6 6v11a6 6 0 0 1-6 6H14l-6 4.600c-.7.5-1.600.1-1.600-.8V26A5.500 5.500 0 0 1 2 20.500V9a6 6 0 0 1 6-6z" />
            </clipPath>
            <g clip-path="url(#mark)">
                <path class="f-y" d="M0 0h16v32H0z" />
                <path class="f-b" d="M16 0h16v32H16z" />
            </g>
        </svg>
    );
}
