// A daemon with a team in it: an owner (ada), people who came by invites, and rooms.
//
//   const team = await Team.start({ people: ['anna', 'ben'], rooms: { general: ['anna', 'ben'] } });
//   await team.say('anna', 'general', ['hello']); await team.stop();
import crypto from 'node:crypto';
import { CONFIG, invited, owner, rpc } from './chat_person.mjs';
import { Parleyd } from './parleyd.mjs';

export class Team {
    static async start({ people, rooms = {}, config = {} }) {
        const team = new Team();
        // As many messages a second as tests like to say.
        team.server = await Parleyd.start({ config: { ...CONFIG, ...config, chat: { ...CONFIG.chat, send_rate: 0, write_rate: 0, ...config.chat } } });
        team.people = { ada: await owner(team.server) };
        for (const name of people)
            team.people[name] = await invited(team.server, team.people.ada, { login: name, name: name[0].toUpperCase() + name.slice(1), password: team.password(name) });
        team.rooms = {};
        const wire = await team.people.ada.connect();
        for (const [name, members] of Object.entries(rooms)) {
            const { room } = await rpc(wire, 'room.create', { kind: 'public', name });
            team.rooms[name] = room.id;
            for (const member of members) await rpc(wire, 'member.add', { room: room.id, user: team.people[member].user.id });
        }
        wire.close();
        return team;
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
