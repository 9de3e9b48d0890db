// Lets a card that changed its lane be seen to move, as far as whoever looks wants motion.

const LONGEST_MS = 350;
const MARKED_MS = 4000;
/** More at once is no movement that an eye could follow, only work. */
const MOST = 20;

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Do `change`, which moves these elements, and let each slide from where it was and be marked for a while. */
export function slide(nodes, change) {
  const isSeen = !still.matches && nodes.length <= MOST;
  const places = isSeen ? nodes.map((node) => node.getBoundingClientRect()) : [];
  change();
  nodes.forEach((node, index) => {
    mark(node);
    if (!isSeen || !node.isConnected) return;
    const to = node.getBoundingClientRect();
    const by = `translate(${places[index].left - to.left}px, ${places[index].top - to.top}px)`;
    node.animate([{ transform: by, zIndex: 1 }, { transform: "none", zIndex: 1 }],
      { duration: LONGEST_MS, easing: "cubic-bezier(.2,.7,.2,1)" });
  });
}

function mark(node) {
  node.classList.add("moved");
  clearTimeout(node.unmark);
  node.unmark = setTimeout(() => node.classList.remove("moved"), MARKED_MS);
}
