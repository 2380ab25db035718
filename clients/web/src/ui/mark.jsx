// The page's mark is the signal flag K: “I wish to communicate with you.”
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
