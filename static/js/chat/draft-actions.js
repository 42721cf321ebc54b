/** What the author decides about a draft that failed, with the buttons below it. */

/** Heeds these buttons in the list until `signal` aborts. */
export function followDraftActions(list, room, signal) {
  const decide = (button) => {
    const row = button.closest(".message");
    const draft = room.outbox.drafts.find(({ client_id }) => row.id === `draft-${client_id}`);
    if (!draft) return; // another tab has decided
    const { draftAction } = button.dataset;
    if (draftAction !== "edit") list.focus({ preventScroll: true }); // the buttons go
    if (draftAction === "retry") room.outbox.retry(draft);
    if (draftAction === "edit") room.takeBack(draft);
    if (draftAction === "discard") room.outbox.discard(draft);
  };
  const click = ({ target }) => {
    const button = target.closest("[data-draft-action]");
    if (button) decide(button);
  };
  list.addEventListener("click", click, { signal });
}
