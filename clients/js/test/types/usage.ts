// Compiled by tsc, never run: what users of the library write, and what they must not be able to.
import { Auth, Chat, ChatError, MemoryStorage, type Message, type Room, type TimelineItem } from 'parley-chat';

async function page(): Promise<void> {
    const chat = new Chat({ url: 'https://chat.example.org', token: async () => 'plt_x', storage: new MemoryStorage() });
    const end: () => void = chat.watch(() => {
        const { connection, unread } = chat.value;
        if (connection.status === 'offline' && connection.retryAt !== null) console.log(connection.retryAt - Date.now(), unread);
    });
    chat.connect();
    await chat.ready();
    const room: Room = chat.room(chat.rooms[0]!.id);
    await room.open({ at: 12 });
    const item: TimelineItem = room.timeline.items[0]!;
    if (item.state === 'failed') {
        console.log(item.error?.word);
        room.retry(item.client_id!);
    }
    const id: string = room.send({ text: 'x', reply_to: 3 });
    room.discard(id);
    await room.react(3, '👍');

    const { members } = await chat.member.list({ room: room.id });
    console.log(members[0]?.role);
    const stats = await chat.admin.stats();
    console.log(stats['users']);
    const { message }: { message: Message } = await chat.call('message.get', { room: room.id, seq: 1 });
    console.log(message.text);
    await chat.call('webhook.list');
    chat.on('mentioned', ({ room, message }) => console.log(room, message.text));

    // @ts-expect-error: a request is missing
    await chat.call('message.get');
    // @ts-expect-error: no such method
    await chat.call('message.forget', {});
    // @ts-expect-error: immutable
    item.text = 'y';
    // @ts-expect-error: not a level
    await room.setNotify('some');

    let hits = await chat.search({ q: 'a', has: 'file' });
    while (hits.next) hits = await hits.next();

    try {
        await new Auth({ url: 'https://chat.example.org' }).login({ login: 'a', password: 'b' });
    } catch (error) {
        if (error instanceof ChatError && error.temporary) console.log(error.details['retry_ms']);
    }
    end();
}

export { page };
