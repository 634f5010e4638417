# What find_package(arenashim) reads.
cmakedir = $(libdir)/cmake/arenashim
cmake_DATA = cmake/arenashim-config.cmake cmake/arenashim-config-version.cmake
EXTRA_DIST += cmake/arenashim-config.cmake.in
CLEANFILES += cmake/arenashim-config.cmake

cmake/arenashim-config.cmake: cmake/arenashim-config.cmake.in Makefile
	$(AM_V_GEN)$(MKDIR_P) cmake && \
		include=`realpath -m -s --relative-to='$(libdir)' '$(includedir)'` && \
		preload=`realpath -m -s --relative-to='$(libdir)' '$(preloadexecdir)'` && \
		sed -e "s|@includedir_from_libdir@|$$include|" -e "s|@preloaddir_from_libdir@|$$preload|" \
			$(srcdir)/cmake/arenashim-config.cmake.in >$@.tmp && \
		mv $@.tmp $@
