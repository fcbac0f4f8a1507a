#include "measure/application.h"

int main(int argc, char** argv) { return forerun::run_application(argc, argv); }
