/* A stand-in for NVIDIA's libnvidia-ml, by which torch asks for GPUs without starting CUDA. */
int nvmlInit(void) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
