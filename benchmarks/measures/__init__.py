"""One module for each thing that is measured; ``benchmarks`` tells what is in one."""
