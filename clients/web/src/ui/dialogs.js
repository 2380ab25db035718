// Dialogs that are fetched when they are first opened; each knows how to draw itself.
import { createElement as h } from 'preact';
import { Lazy } from './lazy.jsx';
import { openDialog } from './overlay.jsx';
import { Page } from './context.js';

const rooms = (part) => () => import('./roomdialogs.jsx').then((module) => module[part]);
const people = (part) => () => import('./peopledialogs.jsx').then((module) => module[part]);
const settings = () => import('./settings.jsx').then((module) => module.Settings);

// They lie outside of the page's tree, and are handed what they would have found there.
function open(title, name, load, page, props, options) {
    page.closeMenu(); // a dialog above the drawer of a phone would hide what it came from
    openDialog(title, (close) => h(Page.Provider, { value: page }, h(Lazy, { name, load, close, ...props })), options);
}

export const dialogs = {
    createRoom: (page) => open('Create a room', 'create', rooms('CreateRoom'), page, {}),
    browse: (page) => open('Browse rooms', 'browse', rooms('BrowseRooms'), page, {}, { kind: 'is-tall' }),
    newDirect: (page) => open('Message somebody', 'direct', people('NewDirect'), page, {}, { kind: 'is-tall' }),
    invite: (page, room) => open('Invite people', 'invite', people('InvitePeople'), page, { room }),
    addMembers: (page, room) => open('Add people', 'add', people('AddMembers'), page, { room }, { kind: 'is-tall' }),
    roomSettings: (page, room) => open('Settings of the room', 'room', rooms('RoomSettings'), page, { room }),
    bans: (page, room) => open('Banned', 'bans', rooms('Bans'), page, { room }),
    profile: (page, user, room) => open('Profile', 'profile', people('Profile'), page, { user, room }),
    moderate: (page, room, user, what) => open('Moderate', 'moderate', rooms('Moderate'), page, { room, user, what }),
    settings: (page) => open('Settings', 'settings', settings, page, {}, { kind: 'is-wide' }),
    revisions: (page, item) => open('Edits', 'revisions', rooms('Revisions'), page, { item }),
};
