/** Socket.IO with rooms, and its Redis adapter. CommonJS, because NODE_PATH says where the packages are. */
const cluster = require("node:cluster");
const { createServer } = require("node:http");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");
const { Server } = require("socket.io");

const port = Number(process.argv[2]);
const workers = Number(process.env.WORKERS ?? 1);

async function serve() {
  const publisher = createClient({ url: process.env.REDIS_URL });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);

  const server = createServer();
  const io = new Server(server, {
    adapter: createAdapter(publisher, subscriber),
    transports: ["websocket"], // so that workers need no sticky sessions
    serveClient: false,
  });

  io.on("connection", (socket) => {
    const { room } = socket.handshake.query;
    socket.join(room);
    socket.on("post", (text) => io.to(room).emit("message", text));
  });

  server.listen(port, "127.0.0.1");
}

function lead() {
  for (let started = 0; started < workers; started++) cluster.fork();
  process.on("SIGTERM", () => {
    for (const worker of Object.values(cluster.workers)) worker.kill();
    process.exit(0);
  });
}

if (cluster.isPrimary && workers > 1) lead();
else serve();
