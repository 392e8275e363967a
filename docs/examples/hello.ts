import { Channel } from "lava-flow";

if (process.argv.includes("sensor")) {
  await using out = await Channel.open("temperature", { role: "producer" });
  for (const celsius of [21.5, 21.7, 22.0]) await out.send(Float64Array.of(celsius));
} else {
  const self = Bun.main.startsWith("/$bunfs/") ? [] : [Bun.main]; // a compiled executable is its own script
  Bun.spawn([process.execPath, ...self, "sensor"], { stdio: ["ignore", "inherit", "inherit"] });

  await using input = await Channel.open("temperature", { role: "consumer" });
  for await (const frame of input) {
    console.log(`frame ${frame.sequence}: ${frame.view(Float64Array)[0]} °C`);
  }
  console.log(`by ${input.route.transport}, not by ${input.route.rejected.map((r) => r.transport).join(" or ")}`);
}
