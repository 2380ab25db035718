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
export const SearchIcon = icon(
    <>
        <circle cx="8.800" cy="8.800" r="5" />
        <path d="m12.600 12.600 4 4" />
    </>,
);
export const PinIcon = icon(<path d="M7 3.500h6l-.7 5 2.700 2.800H5l2.700-2.800zM10 11.300v5.200" />);
export const ReplyIcon = icon(<path d="M8 5 3.500 9.500 8 14M3.800 9.500H12a4.500 4.500 0 0 1 4.500 4.500v1.500" />);
export const SmileIcon = icon(
    <>
        <circle cx="10" cy="10" r="7" />
        <path d="M7 11.800c.7 1.100 1.700 1.700 3 1.700s2.300-.6 3-1.700M7.600 8v.1M12.400 8v.1" />
    </>,
);
export const EditIcon = icon(
    <path d="m4 16 .8-3.300 8.600-8.600a1.600 1.600 0 0 1 2.300 0l.2.2a1.600 1.600 0 0 1 0 2.300l-8.600 8.600z" />,
);
export const TrashIcon = icon(
    <path d="M4 6h12M8 6V4.200h4V6M5.700 6l.7 9.300a1.200 1.200 0 0 0 1.200 1.200h4.800a1.200 1.200 0 0 0 1.200-1.200L14.300 6" />,
);
export const MoreIcon = icon(
    <g fill="currentColor" stroke="none">
        <circle cx="4.500" cy="10" r="1.500" />
        <circle cx="10" cy="10" r="1.500" />
        <circle cx="15.500" cy="10" r="1.500" />
    </g>,
);
export const GearIcon = icon(
    <>
        <circle cx="10" cy="10" r="2.600" />
        <path d="M10 2.800v2M10 15.200v2M2.800 10h2M15.200 10h2M4.900 4.900l1.400 1.400M13.700 13.700l1.400 1.400M4.900 15.100l1.400-1.400M13.700 6.300l1.400-1.400" />
    </>,
);
export const ClipIcon = icon(
    <path d="m15.700 9.300-5.600 5.600a3.500 3.500 0 0 1-5-5l5.800-5.700a2.300 2.300 0 0 1 3.300 3.300l-5.600 5.600a1.150 1.150 0 0 1-1.600-1.600l5-5" />,
);
export const LockIcon = icon(
    <>
        <rect x="4.500" y="9" width="11" height="7.500" rx="1.800" />
        <path d="M7 9V6.500a3 3 0 0 1 6 0V9" />
    </>,
);
export const BellOffIcon = icon(
    <path d="M5.500 12.500V9a4.500 4.500 0 0 1 7-3.700M14.500 8.600v3.900l1.500 2H7M8.500 16.500h3M3.500 3.500l13 13" />,
);
export const BellIcon = icon(<path d="M5.500 12.500V9a4.500 4.500 0 0 1 9 0v3.500l1.500 2H4zM8.500 16.800h3" />);
export const LeaveIcon = icon(
    <path d="M12 4H6a1.500 1.500 0 0 0-1.500 1.500v9A1.500 1.500 0 0 0 6 16h6M9 10h8m-3-3 3 3-3 3" />,
);
export const ShieldIcon = icon(
    <path d="M10 3 4.500 5v4.500c0 3.400 2.200 5.900 5.500 7.500 3.300-1.600 5.500-4.100 5.500-7.500V5z" />,
);
export const FileIcon = icon(<path d="M5.500 3h6L15 6.500V17H5.500zM11 3v4h4" />);
export const DownloadIcon = icon(<path d="M10 3.500v9m-3.500-3.200L10 12.800l3.500-3.500M4 16.500h12" />);
export const UserPlusIcon = icon(
    <>
        <circle cx="8" cy="7" r="2.900" />
        <path d="M2.800 16.200c.3-3 2.300-4.700 5.200-4.700 1.500 0 2.800.5 3.700 1.300M15 11v5.400M12.300 13.700h5.400" />
    </>,
);
export const ChevronIcon = icon(<path d="m7.500 5 5 5-5 5" />);
export const HelpIcon = icon(
    <>
        <circle cx="10" cy="10" r="7" />
        <path d="M8 8.200a2 2 0 1 1 2.800 1.900c-.6.300-.8.700-.8 1.400M10 13.800v.1" />
    </>,
);
export const EyeOffIcon = icon(
    <path d="M3 10s2.500-4.500 7-4.500S17 10 17 10s-2.500 4.500-7 4.500S3 10 3 10zM10 8a2 2 0 1 1 0 4 2 2 0 0 1 0-4z" />,
);
export const HistoryIcon = icon(
    <path d="M3.500 10a6.500 6.500 0 1 0 2-4.700L3.500 7M3.500 3.500V7H7M10 6.500V10l2.500 1.500" />,
);
