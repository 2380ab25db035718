import { Flag } from './flag.jsx';

const SHOWN_MAX = 200;

export function People({ people, isKnown }) {
    return (
        <section class="people">
            <h2>
                Here now <span class="count">{isKnown ? people.length : ''}</span>
            </h2>
            {!isKnown && <p class="quiet">Looking around…</p>}
            <ul>
                {people.slice(0, SHOWN_MAX).map((person) => (
                    <li key={person.key}>
                        <Flag name={person.name} isStranger={person.isStranger} />
                        <bdi class="person">{person.name}</bdi>
                        {person.isMe && <span class="tag">you</span>}
                    </li>
                ))}
            </ul>
            {people.length > SHOWN_MAX && <p class="quiet">and {people.length - SHOWN_MAX} more</p>}
            {isKnown && people.length === 1 && (
                <p class="quiet alone">Nobody else yet. Share the link, or open it in a second window.</p>
            )}
        </section>
    );
}
