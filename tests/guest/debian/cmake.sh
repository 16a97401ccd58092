# cmake, ninja and clang: a library, a program with threads, what is made by running it, tests, installation, nothing to do.
mkdir small; printf 'cmake_minimum_required(VERSION 3.20)\nproject(s NONE)\nadd_custom_command(OUTPUT made COMMAND seq 3 > made)\nadd_custom_target(all_made ALL DEPENDS made)\n' > small/CMakeLists.txt
cmake -G Ninja -S small -B s > log 2>&1; echo $?; ninja -C s | tail -1; cat s/made; ninja -C s | tail -1
[ "$LONG" = 1 ] || exit 0  # compilers are looked for and tried for twenty seconds
mkdir src; cat > src/CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.20)
project(p C CXX)
find_package(Threads REQUIRED)
enable_testing()
add_library(twice SHARED twice.c)
add_executable(main main.cc)
target_link_libraries(main twice Threads::Threads)
add_custom_command(OUTPUT made.txt COMMAND main > made.txt DEPENDS main)
add_custom_target(made ALL DEPENDS made.txt)
add_test(NAME runs COMMAND main)
install(TARGETS main twice)
C
echo 'int twice(int x) { return x * 2; }' > src/twice.c
printf '#include <cstdio>\n#include <thread>\nextern "C" int twice(int);\nint main() { int r; std::thread t([&] { r = twice(21); }); t.join(); std::printf("%%d\\n", r); }\n' > src/main.cc
cmake -G Ninja -S src -B b -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ > log 2>&1; echo $?; ninja -C b | grep -c Linking; cat b/made.txt
(cd b; ctest 2>&1 | grep 'tests passed'); cmake --install b --prefix $PWD/there > /dev/null; ls there/*; ninja -C b | tail -1; touch src/twice.c; ninja -C b | grep -c Building
