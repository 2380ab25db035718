// What tells somebody who looks elsewhere: the window's title, a dot on its icon, a notification of the system, a line
// on the page.
import { useEffect, useRef } from 'preact/hooks';
import { hashOfRoom } from '../logic/route.js';
import { summaryOf } from '../logic/markdown.js';
import { badge } from '../logic/text.js';
import { browserStore } from '../net/store.js';
import { nameOfUser } from './avatar.jsx';
import { toast } from './overlay.jsx';

export const mayNotify = () =>
    'Notification' in window && Notification.permission === 'granted' && browserStore.get('notify') !== false;

export function useNotices({ chat, value, people, roomId, isLooking, go, title }) {
    const now = useRef({});
    now.current = { people, roomId, isLooking, rooms: value.rooms };
    const { unread, mentions } = value;

    useEffect(() => {
        const count = mentions || 0;
        document.title = `${count ? `(${badge(count)}) ` : unread ? '• ' : ''}${title}${value.team?.name ? ` · ${value.team.name}` : ''}`;
        drawIcon(count ? 'mention' : unread ? 'unread' : null);
    }, [unread, mentions, title, value.team?.name]);

    useEffect(
        () =>
            chat.on('mentioned', ({ room, message }) => {
                const at = now.current;
                if (at.isLooking && at.roomId === room) return;
                const info = at.rooms.find((one) => one.id === room);
                if (info?.notify === 'none') return;
                const who = nameOfUser(at.people.byId.get(message.user));
                const where =
                    info && info.kind !== 'direct'
                        ? ` in ${info.kind === 'group' ? info.title : `#${info.title}`}`
                        : '';
                const text = summaryOf(message.text || 'sent a file', 140);
                if (at.isLooking) {
                    toast(`${who}${where}: ${text}`, 'good', { label: 'Show', run: () => go(room, message.seq) });
                    return;
                }
                if (!mayNotify()) return;
                try {
                    const notice = new Notification(`${who}${where}`, {
                        body: text,
                        tag: `parley.${room}`,
                        icon: document.querySelector('link[rel=icon]')?.href,
                    });
                    notice.onclick = () => {
                        window.focus();
                        location.hash = hashOfRoom(room, message.seq);
                        notice.close();
                    };
                } catch {
                    // Phones have the class and refuse to make one.
                }
            }),
        [chat],
    );
}

// A dot on the page's icon. Drawn as a picture, for an SVG by a data: address would need no more rights, but Safari
// shows none.
let shown = null;
let original = null;

function drawIcon(kind) {
    if (kind === shown) return;
    const link = document.querySelector('link[rel=icon]');
    if (!link) return;
    original ??= link.href;
    shown = kind;
    if (!kind) {
        link.href = original;
        return;
    }
    const image = new Image();
    image.onload = () => {
        if (shown !== kind) return;
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = 64;
        const pen = canvas.getContext('2d');
        pen.drawImage(image, 0, 0, 64, 64);
        pen.beginPath();
        pen.arc(48, 16, 15, 0, 2 * Math.PI);
        pen.fillStyle = kind === 'mention' ? '#d8342c' : '#1c2231';
        pen.fill();
        pen.lineWidth = 4;
        pen.strokeStyle = '#ffffff';
        pen.stroke();
        link.href = canvas.toDataURL('image/png');
    };
    image.src = original;
}
