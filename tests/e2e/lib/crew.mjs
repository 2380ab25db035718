// A daemon with a team in it: an owner (ada), people who came by invites, and rooms.
//
//   const crew = await Crew.start({ people: ['anna', 'ben'], rooms: { general: ['anna', 'ben'] } });
//   await crew.say('anna', 'general', ['hello']); await crew.stop();
import crypto from 'node:crypto';
import { CONFIG, invited, owner, rpc } from './chat_person.mjs';
import { Parleyd } from './parleyd.mjs';

export class Crew {
    static async start({ people, rooms = {}, config = {} }) {
        const crew = new Crew();
        // As many messages a second as tests like to say.
        crew.server = await Parleyd.start({ config: { ...CONFIG, ...config, chat: { ...CONFIG.chat, send_rate: 0, write_rate: 0, ...config.chat } } });
        crew.people = { ada: await owner(crew.server) };
        for (const name of people)
            crew.people[name] = await invited(crew.server, crew.people.ada, { login: name, name: name[0].toUpperCase() + name.slice(1), password: crew.password(name) });
        crew.rooms = {};
        const wire = await crew.people.ada.connect();
        for (const [name, members] of Object.entries(rooms)) {
            const { room } = await rpc(wire, 'room.create', { kind: 'public', name });
            crew.rooms[name] = room.id;
            for (const member of members) await rpc(wire, 'member.add', { room: room.id, user: crew.people[member].user.id });
        }
        wire.close();
        return crew;
    }

    password(name) { return `the password of ${name}`; }

    async say(name, room, texts) {
        const wire = await this.people[name].connect();
        for (const text of texts)
            await rpc(wire, 'message.send', { room: this.rooms[room], client_id: crypto.randomUUID(), text });
        wire.close();
    }

    stop() { return this.server.stop(); }
}
