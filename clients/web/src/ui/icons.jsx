const icon =
    (path) =>
    ({ class: name = '' }) => (
        <svg
            class={`icon ${name}`}
            viewBox="0 0 20 20"
            aria-hidden="true"
            fill="none"
            stroke="currentColor"
            stroke-width="1.6"
            stroke-linecap="round"
            stroke-linejoin="round">
            {path}
        </svg>
    );

export const SendIcon = icon(<path d="M10 16.500V4M4.800 9.200 10 4l5.200 5.200" />);
export const LinkIcon = icon(
    <>
        <path d="M8.500 11.500a3.200 3.200 0 0 0 4.600 0l2.600-2.600a3.250 3.250 0 0 0-4.600-4.600l-1 1" />
        <path d="M11.500 8.500a3.200 3.200 0 0 0-4.600 0L4.300 11.100a3.250 3.250 0 0 0 4.600 4.600l1-1" />
    </>,
);
export const CheckIcon = icon(<path d="m4.500 10.500 3.700 3.700 7.300-8" />);
export const ClockIcon = icon(
    <>
        <circle cx="10" cy="10" r="6.500" />
        <path d="M10 6.500V10l2.300 1.600" />
    </>,
);
export const AlertIcon = icon(
    <>
        <circle cx="10" cy="10" r="7" />
        <path d="M10 6.300v4.400M10 13.600v.1" />
    </>,
);
export const MenuIcon = icon(<path d="M3.500 6h13M3.500 10h13M3.500 14h13" />);
export const PeopleIcon = icon(
    <>
        <circle cx="7.800" cy="7" r="2.800" />
        <path d="M2.800 16c.2-3 2.200-4.600 5-4.600s4.800 1.600 5 4.600" />
        <path d="M13 4.500a2.600 2.600 0 0 1 0 5M14.300 11.800c1.800.5 2.800 1.900 2.900 4.200" />
    </>,
);
export const DownIcon = icon(<path d="M10 4v12m-5-5 5 5 5-5" />);
export const CloseIcon = icon(<path d="m5 5 10 10M15 5 5 15" />);
export const PlusIcon = icon(<path d="M10 4.500v11M4.500 10h11" />);
export const SunIcon = icon(
    <>
        <circle cx="10" cy="10" r="3.300" />
        <path d="M10 2.300v1.600M10 16.100v1.600M2.300 10h1.600M16.100 10h1.600M4.600 4.600l1.100 1.100M14.300 14.300l1.100 1.100M4.600 15.400l1.100-1.100M14.300 5.700l1.100-1.100" />
    </>,
);
export const MoonIcon = icon(<path d="M16.300 11.800A6.700 6.700 0 0 1 8.200 3.700a6.700 6.700 0 1 0 8.100 8.100z" />);
export const SystemIcon = icon(
    <>
        <circle cx="10" cy="10" r="6.700" />
        <path d="M10 3.300v13.400a6.700 6.700 0 0 0 0-13.400z" fill="currentColor" stroke="none" />
    </>,
);
export const PulseIcon = icon(<path d="M2.500 10.500h3l2.200-5.700 4 10.400 2.200-4.700h3.600" />);
export const CopyIcon = icon(
    <>
        <rect x="7" y="7" width="9.500" height="9.500" rx="2" />
        <path d="M13 7V5.500a2 2 0 0 0-2-2H5.500a2 2 0 0 0-2 2V11a2 2 0 0 0 2 2H7" />
    </>,
);
export const PlayIcon = icon(<path d="M6.500 4.500v11l9-5.500z" fill="currentColor" />);
export const StopIcon = icon(<rect x="5.500" y="5.500" width="9" height="9" rx="1.500" fill="currentColor" />);
